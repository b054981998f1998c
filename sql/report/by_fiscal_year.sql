-- Revenue, spending and net of each fiscal year, with and without related government units, and the change from the
-- year before. Transfer adjustments (negative rows that cancel internal transfers counted twice) are in the totals and
-- also shown apart. Net is an arithmetic difference, no surplus or deficit.
CREATE OR REPLACE VIEW report.by_fiscal_year AS
WITH years AS (
    SELECT
        t.fiscal_year,
        sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE 0 END) AS revenue,
        sum(CASE WHEN f.revenue_or_spending = 'Spending' THEN t.amount ELSE 0 END) AS spending,
        sum(
            CASE WHEN f.revenue_or_spending = 'Revenue' AND p.related_govt_units = 'No' THEN t.amount ELSE 0 END
        ) AS revenue_without_related_govt_units,
        sum(
            CASE WHEN f.revenue_or_spending = 'Spending' AND p.related_govt_units = 'No' THEN t.amount ELSE 0 END
        ) AS spending_without_related_govt_units,
        sum(
            CASE WHEN f.revenue_or_spending = 'Revenue' AND y.character_code IN ('ELS', 'ELU') THEN t.amount ELSE 0 END
        ) AS transfer_adjustments_in_revenue,
        sum(
            CASE WHEN f.revenue_or_spending = 'Spending' AND y.character_code IN ('ELS', 'ELU') THEN t.amount ELSE 0 END
        ) AS transfer_adjustments_in_spending,
        count(*) AS transactions,
        o.data_as_of
    FROM report.transaction AS t
    JOIN report.program AS p ON p.program_id = t.program_id
    JOIN report.type AS y ON y.type_id = t.type_id
    JOIN report.finance AS f ON f.finance_id = t.finance_id
    LEFT JOIN report.publication AS o ON o.fiscal_year = t.fiscal_year
    GROUP BY t.fiscal_year, o.data_as_of
),
neighbours AS (
    SELECT
        fiscal_year,
        CASE WHEN lag(fiscal_year) OVER (ORDER BY fiscal_year) = fiscal_year - 1
            THEN lag(revenue) OVER (ORDER BY fiscal_year) END AS revenue_before,
        CASE WHEN lag(fiscal_year) OVER (ORDER BY fiscal_year) = fiscal_year - 1
            THEN lag(spending) OVER (ORDER BY fiscal_year) END AS spending_before
    FROM years
)
SELECT
    years.fiscal_year,
    years.revenue,
    years.spending,
    years.revenue - years.spending AS net,
    CAST(
        100.0 * (years.revenue - n.revenue_before) / NULLIF(abs(n.revenue_before), 0) AS DECIMAL(18, 2)
    ) AS revenue_change_percent,
    CAST(
        100.0 * (years.spending - n.spending_before) / NULLIF(abs(n.spending_before), 0) AS DECIMAL(18, 2)
    ) AS spending_change_percent,
    years.revenue_without_related_govt_units,
    years.spending_without_related_govt_units,
    years.revenue_without_related_govt_units
        - years.spending_without_related_govt_units AS net_without_related_govt_units,
    years.transfer_adjustments_in_revenue,
    years.transfer_adjustments_in_spending,
    years.transactions,
    years.data_as_of
FROM years
JOIN neighbours AS n ON n.fiscal_year = years.fiscal_year;

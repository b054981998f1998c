-- The ten fund types with the largest spending of each fiscal year, and all others together, with and without related
-- government units. Transfer adjustments are in the spending and also shown apart.
CREATE OR REPLACE VIEW report.top_fund_types_by_spending AS
WITH fund_types AS (
    SELECT
        t.fiscal_year,
        d.fund_type,
        sum(t.amount) AS spending,
        sum(CASE WHEN p.related_govt_units = 'No' THEN t.amount ELSE 0 END) AS spending_without_related_govt_units,
        sum(CASE WHEN y.character_code IN ('ELS', 'ELU') THEN t.amount ELSE 0 END) AS transfer_adjustments,
        count(*) AS transactions,
        o.data_as_of
    FROM report.transaction AS t
    JOIN report.program AS p ON p.program_id = t.program_id
    JOIN report.type AS y ON y.type_id = t.type_id
    JOIN report.fund AS d ON d.fund_id = t.fund_id
    JOIN report.finance AS f ON f.finance_id = t.finance_id
    LEFT JOIN report.publication AS o ON o.fiscal_year = t.fiscal_year
    WHERE f.revenue_or_spending = 'Spending'
    GROUP BY t.fiscal_year, d.fund_type, o.data_as_of
),
ranked AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY fiscal_year ORDER BY spending DESC, fund_type) AS place
    FROM fund_types
)
SELECT
    fiscal_year,
    CASE WHEN place <= 10 THEN place ELSE 11 END AS place,
    CASE WHEN place <= 10 THEN fund_type ELSE 'All other fund types' END AS fund_type,
    sum(spending) AS spending,
    sum(spending_without_related_govt_units) AS spending_without_related_govt_units,
    sum(transfer_adjustments) AS transfer_adjustments,
    sum(transactions) AS transactions,
    data_as_of
FROM ranked
GROUP BY
    fiscal_year,
    CASE WHEN place <= 10 THEN place ELSE 11 END,
    CASE WHEN place <= 10 THEN fund_type ELSE 'All other fund types' END,
    data_as_of;

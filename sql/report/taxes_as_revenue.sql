-- The revenue of each fiscal year by character, told apart into taxes (characters whose name says that they are) and
-- other revenue, with and without related government units. percent_of_taxes is a tax's share of all taxes of the year.
CREATE OR REPLACE VIEW report.taxes_as_revenue AS
WITH characters AS (
    SELECT
        t.fiscal_year,
        CASE WHEN strpos(lower(y."character"), 'tax') > 0 THEN 'Yes' ELSE 'No' END AS tax,
        y."character",
        sum(t.amount) AS revenue,
        sum(CASE WHEN p.related_govt_units = 'No' THEN t.amount ELSE 0 END) AS revenue_without_related_govt_units,
        count(*) AS transactions,
        o.data_as_of
    FROM report.transaction AS t
    JOIN report.program AS p ON p.program_id = t.program_id
    JOIN report.type AS y ON y.type_id = t.type_id
    JOIN report.finance AS f ON f.finance_id = t.finance_id
    LEFT JOIN report.publication AS o ON o.fiscal_year = t.fiscal_year
    WHERE f.revenue_or_spending = 'Revenue'
    GROUP BY t.fiscal_year, y."character", o.data_as_of
)
SELECT
    fiscal_year,
    tax,
    "character",
    revenue,
    CASE
        WHEN tax = 'Yes' THEN CAST(
            100.0 * revenue / NULLIF(sum(revenue) OVER (PARTITION BY fiscal_year, tax), 0) AS DECIMAL(18, 4)
        )
    END AS percent_of_taxes,
    revenue_without_related_govt_units,
    transactions,
    data_as_of
FROM characters;

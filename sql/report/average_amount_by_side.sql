-- Transactions (published rows), dollars and the average amount of each side of the books by fiscal year, with and
-- without related government units.
CREATE OR REPLACE VIEW report.average_amount_by_side AS
SELECT
    t.fiscal_year,
    f.revenue_or_spending,
    count(*) AS transactions,
    sum(t.amount) AS amount,
    CAST(sum(t.amount) / count(*) AS DECIMAL(18, 2)) AS average_amount,
    CAST(
        sum(CASE WHEN p.related_govt_units = 'No' THEN t.amount END)
        / NULLIF(sum(CASE WHEN p.related_govt_units = 'No' THEN 1 ELSE 0 END), 0) AS DECIMAL(18, 2)
    ) AS average_without_related_govt_units,
    o.data_as_of
FROM report.transaction AS t
JOIN report.program AS p ON p.program_id = t.program_id
JOIN report.finance AS f ON f.finance_id = t.finance_id
LEFT JOIN report.publication AS o ON o.fiscal_year = t.fiscal_year
GROUP BY t.fiscal_year, f.revenue_or_spending, o.data_as_of;

-- Taxes as revenue, over all fiscal years, by the characters whose name says that they are taxes,
-- related government units included.
CREATE OR REPLACE VIEW report.taxes_as_revenue AS
SELECT
    y."character",
    sum(t.amount) AS revenue,
    CAST(100.0 * sum(t.amount) / sum(sum(t.amount)) OVER () AS DECIMAL(9, 4)) AS percent_of_taxes,
    count(*) AS transactions
FROM report.transaction AS t
JOIN report.type AS y ON y.type_id = t.type_id
JOIN report.finance AS f ON f.finance_id = t.finance_id
WHERE f.revenue_or_spending = 'Revenue' AND strpos(lower(y."character"), 'tax') > 0
GROUP BY y."character";

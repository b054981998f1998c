-- Transactions (published rows), dollars and the average amount of each side of the books by fiscal year,
-- related government units included.
CREATE OR REPLACE VIEW report.average_amount_by_side AS
SELECT
    t.fiscal_year,
    f.revenue_or_spending,
    count(*) AS transactions,
    sum(t.amount) AS amount,
    CAST(sum(t.amount) / count(*) AS DECIMAL(18, 2)) AS average_amount
FROM report.transaction AS t
JOIN report.finance AS f ON f.finance_id = t.finance_id
GROUP BY t.fiscal_year, f.revenue_or_spending;

-- The ten fund types with the largest spending over all fiscal years, related government units included.
-- Transfer adjustments (character code ELU) are in the spending and also shown apart.
CREATE OR REPLACE VIEW report.top_fund_types_by_spending AS
SELECT
    d.fund_type,
    sum(t.amount) AS spending,
    sum(CASE WHEN y.character_code = 'ELU' THEN t.amount ELSE 0 END) AS transfer_adjustments,
    count(*) AS transactions
FROM report.transaction AS t
JOIN report.fund AS d ON d.fund_id = t.fund_id
JOIN report.type AS y ON y.type_id = t.type_id
JOIN report.finance AS f ON f.finance_id = t.finance_id
WHERE f.revenue_or_spending = 'Spending'
GROUP BY d.fund_type
ORDER BY spending DESC, d.fund_type
LIMIT 10;

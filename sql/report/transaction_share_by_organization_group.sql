-- How the transactions (published rows) of all fiscal years fall on the organization groups,
-- related government units included.
CREATE OR REPLACE VIEW report.transaction_share_by_organization_group AS
SELECT
    p.organization_group,
    count(*) AS transactions,
    CAST(100.0 * count(*) / sum(count(*)) OVER () AS DECIMAL(9, 4)) AS percent_of_transactions
FROM report.transaction AS t
JOIN report.program AS p ON p.program_id = t.program_id
GROUP BY p.organization_group;

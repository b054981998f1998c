-- How the transactions (published rows) of each fiscal year fall on the organization groups, with and without related
-- government units.
CREATE OR REPLACE VIEW report.transaction_share_by_organization_group AS
WITH counted AS (
    SELECT
        t.fiscal_year,
        p.organization_group,
        count(*) AS transactions,
        sum(CASE WHEN p.related_govt_units = 'No' THEN 1 ELSE 0 END) AS transactions_without_related_govt_units,
        o.data_as_of
    FROM report.transaction AS t
    JOIN report.program AS p ON p.program_id = t.program_id
    LEFT JOIN report.publication AS o ON o.fiscal_year = t.fiscal_year
    GROUP BY t.fiscal_year, p.organization_group, o.data_as_of
)
SELECT
    fiscal_year,
    organization_group,
    transactions,
    CAST(100.0 * transactions / sum(transactions) OVER (PARTITION BY fiscal_year) AS DECIMAL(9, 4))
        AS percent_of_transactions,
    transactions_without_related_govt_units,
    CAST(
        100.0 * transactions_without_related_govt_units
        / NULLIF(sum(transactions_without_related_govt_units) OVER (PARTITION BY fiscal_year), 0) AS DECIMAL(9, 4)
    ) AS percent_without_related_govt_units,
    data_as_of
FROM counted;

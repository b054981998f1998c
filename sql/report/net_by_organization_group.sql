-- Revenue, spending and their arithmetic difference by fiscal year and organization group, with and without related
-- government units. Transfer adjustments are in every total. Net is no surplus or deficit.
CREATE OR REPLACE VIEW report.net_by_organization_group AS
SELECT
    t.fiscal_year,
    p.organization_group,
    sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE 0 END) AS revenue,
    sum(CASE WHEN f.revenue_or_spending = 'Spending' THEN t.amount ELSE 0 END) AS spending,
    sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE -t.amount END) AS net,
    sum(
        CASE
            WHEN p.related_govt_units = 'Yes' THEN 0
            WHEN f.revenue_or_spending = 'Revenue' THEN t.amount
            ELSE -t.amount
        END
    ) AS net_without_related_govt_units,
    count(*) AS transactions,
    o.data_as_of
FROM report.transaction AS t
JOIN report.program AS p ON p.program_id = t.program_id
JOIN report.finance AS f ON f.finance_id = t.finance_id
LEFT JOIN report.publication AS o ON o.fiscal_year = t.fiscal_year
GROUP BY t.fiscal_year, p.organization_group, o.data_as_of;

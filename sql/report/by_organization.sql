-- Revenue, spending and net of each program, by fiscal year: organization group > department > program. Add up by
-- fewer columns for the levels above, and keep related_govt_units = 'No' to leave related government units out.
-- Transfer adjustments are in the totals and also shown apart.
CREATE OR REPLACE VIEW report.by_organization AS
SELECT
    t.fiscal_year,
    p.related_govt_units,
    p.organization_group_code,
    p.organization_group,
    p.department_code,
    p.department,
    p.program_code,
    p.program,
    sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE 0 END) AS revenue,
    sum(CASE WHEN f.revenue_or_spending = 'Spending' THEN t.amount ELSE 0 END) AS spending,
    sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE -t.amount END) AS net,
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
GROUP BY
    t.fiscal_year,
    p.related_govt_units,
    p.organization_group_code,
    p.organization_group,
    p.department_code,
    p.department,
    p.program_code,
    p.program,
    o.data_as_of;

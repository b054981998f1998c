-- Revenue, spending and net of each sub-object, by fiscal year: character > object > sub-object. Add up by fewer
-- columns for the levels above, and keep related_govt_units = 'No' to leave related government units out.
-- Transfer adjustments, which cancel internal transfers counted twice, are characters of their own.
CREATE OR REPLACE VIEW report.by_type AS
SELECT
    t.fiscal_year,
    p.related_govt_units,
    y.character_code,
    y."character",
    y.object_code,
    y."object",
    y.sub_object_code,
    y.sub_object,
    sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE 0 END) AS revenue,
    sum(CASE WHEN f.revenue_or_spending = 'Spending' THEN t.amount ELSE 0 END) AS spending,
    sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE -t.amount END) AS net,
    CASE WHEN y.character_code IN ('ELS', 'ELU') THEN 'Yes' ELSE 'No' END AS transfer_adjustment,
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
    y.character_code,
    y."character",
    y.object_code,
    y."object",
    y.sub_object_code,
    y.sub_object,
    o.data_as_of;

-- Every program with the codes published for it in a fiscal year, in how many rows and dollars.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.program_evidence (
    fiscal_year INTEGER NOT NULL,
    program VARCHAR(300) NOT NULL,
    program_code VARCHAR(100) NOT NULL,
    department VARCHAR(300) NOT NULL,
    department_code VARCHAR(100) NOT NULL,
    organization_group VARCHAR(300) NOT NULL,
    organization_group_code VARCHAR(100) NOT NULL,
    related_govt_units VARCHAR(300) NOT NULL,
    row_count BIGINT NOT NULL,
    revenue DECIMAL(18,2) NOT NULL,
    spending DECIMAL(18,2) NOT NULL,
    PRIMARY KEY (fiscal_year, program, program_code, department, department_code, organization_group, organization_group_code, related_govt_units)
)
DISTSTYLE EVEN
SORTKEY (fiscal_year);

-- The service under which a transaction is recorded: program, department, organization group.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.program (
    program_id BIGINT NOT NULL,
    program VARCHAR(300) NOT NULL,
    program_code VARCHAR(100) NOT NULL,
    department VARCHAR(300) NOT NULL,
    department_code VARCHAR(100) NOT NULL,
    organization_group VARCHAR(300) NOT NULL,
    organization_group_code VARCHAR(100) NOT NULL,
    related_govt_units VARCHAR(300) NOT NULL,
    PRIMARY KEY (program_id)
)
DISTSTYLE ALL;

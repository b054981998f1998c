-- The nine codes of a published row, exactly as published.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.published_codes (
    published_id BIGINT NOT NULL,
    organization_group_code VARCHAR(100) NOT NULL,
    department_code VARCHAR(100) NOT NULL,
    program_code VARCHAR(100) NOT NULL,
    character_code VARCHAR(100) NOT NULL,
    object_code VARCHAR(100) NOT NULL,
    sub_object_code VARCHAR(100) NOT NULL,
    fund_type_code VARCHAR(100) NOT NULL,
    fund_code VARCHAR(100) NOT NULL,
    fund_category_code VARCHAR(100) NOT NULL,
    PRIMARY KEY (published_id)
)
DISTSTYLE ALL;

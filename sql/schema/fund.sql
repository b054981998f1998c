-- The fund that pays or receives: fund category, fund, fund type.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.fund (
    fund_id BIGINT NOT NULL,
    fund_category VARCHAR(300) NOT NULL,
    fund_category_code VARCHAR(100) NOT NULL,
    fund VARCHAR(300) NOT NULL,
    fund_code VARCHAR(100) NOT NULL,
    fund_type VARCHAR(300) NOT NULL,
    fund_type_code VARCHAR(100) NOT NULL,
    PRIMARY KEY (fund_id)
)
DISTSTYLE ALL;

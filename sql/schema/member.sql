-- Every member of a dimension: when it was published, and the label that it shares with its near-twins.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.member (
    dimension VARCHAR(20) NOT NULL,
    member_id BIGINT NOT NULL,
    first_fiscal_year INTEGER NOT NULL,
    last_fiscal_year INTEGER NOT NULL,
    conformed_label VARCHAR(300) NOT NULL,
    conformed_parent VARCHAR(300) NOT NULL,
    conformed_grandparent VARCHAR(300) NOT NULL,
    rule VARCHAR(100) NOT NULL,
    PRIMARY KEY (dimension, member_id)
)
DISTSTYLE ALL;

-- The code since FY2018 that stands for a code before it, with the evidence.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.code_crosswalk (
    pair VARCHAR(30) NOT NULL,
    old_code VARCHAR(100) NOT NULL,
    label VARCHAR(300) NOT NULL,
    new_code VARCHAR(100) NOT NULL,
    new_label VARCHAR(300) NOT NULL,
    status VARCHAR(10) NOT NULL,
    score INTEGER NOT NULL,
    same_code INTEGER NOT NULL,
    same_name INTEGER NOT NULL,
    same_below INTEGER NOT NULL,
    dollars_covered INTEGER NOT NULL,
    label_similarity INTEGER NOT NULL,
    row_count BIGINT NOT NULL,
    revenue DECIMAL(18,2) NOT NULL,
    spending DECIMAL(18,2) NOT NULL,
    candidates VARCHAR(400) NOT NULL,
    PRIMARY KEY (pair, old_code)
)
DISTSTYLE ALL;

-- Every type with the codes published for it in a fiscal year, in how many rows and dollars.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.type_evidence (
    fiscal_year INTEGER NOT NULL,
    sub_object VARCHAR(300) NOT NULL,
    sub_object_code VARCHAR(100) NOT NULL,
    "object" VARCHAR(300) NOT NULL,
    object_code VARCHAR(100) NOT NULL,
    "character" VARCHAR(300) NOT NULL,
    character_code VARCHAR(100) NOT NULL,
    row_count BIGINT NOT NULL,
    revenue DECIMAL(18,2) NOT NULL,
    spending DECIMAL(18,2) NOT NULL,
    PRIMARY KEY (fiscal_year, sub_object, sub_object_code, "object", object_code, "character", character_code)
)
DISTSTYLE EVEN
SORTKEY (fiscal_year);

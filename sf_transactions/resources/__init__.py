"""The doors to the outside: portal (DataSF), transfer (SFTP), storage (S3), warehouse (Redshift)."""

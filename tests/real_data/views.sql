-- The views of `retail`, `baskets` and `tweets` in SQL, over a table `file` of texts.

-- of retail_transactions
CREATE TABLE lines AS
SELECT "InvoiceNo" AS invoice, "StockCode" AS product, "Quantity"::BIGINT AS quantity,
       strftime(date_trunc('hour', "InvoiceDate"::TIMESTAMP), '%Y-%m-%dT%H:%M:%SZ') AS hour,
       "UnitPrice"::DECIMAL(15, 3) * "Quantity"::BIGINT AS revenue,
       coalesce("CustomerID", '') AS customer, "Country" AS country
FROM file;

-- of retail_transactions, view sales
SELECT country, hour, product, sum(quantity), sum(revenue) FROM lines GROUP BY ALL;

-- of retail_transactions, view revenue
SELECT country, hour, sum(revenue) FROM lines GROUP BY ALL;

-- of retail_transactions, view products
SELECT product, sum(quantity), sum(revenue) FROM lines GROUP BY ALL;

-- of retail_transactions, view top_products
SELECT country, row_number() OVER (PARTITION BY country ORDER BY sold DESC, product) AS rank,
       product, sold
FROM (SELECT country, product, sum(revenue) AS sold FROM lines GROUP BY ALL)
QUALIFY rank <= 10;

-- of retail_transactions, view customers
SELECT customer, count(DISTINCT invoice), sum(revenue) FROM lines WHERE customer <> '' GROUP BY ALL;

-- of retail_transactions
CREATE TABLE bought AS
SELECT invoice, product FROM lines GROUP BY ALL HAVING sum(quantity) > 0;

-- of retail_transactions
CREATE TABLE both_bought AS
WITH small AS (SELECT invoice FROM bought GROUP BY ALL HAVING count(*) <= 30),
     counted AS (SELECT * FROM bought SEMI JOIN small USING (invoice))
SELECT one.product AS product, other.product AS other, count(*) AS invoices
FROM counted AS one JOIN counted AS other USING (invoice)
WHERE one.product <> other.product GROUP BY ALL HAVING count(*) >= 3;

-- of retail_transactions, view pairs
SELECT product, other, invoices FROM both_bought WHERE product < other;

-- of retail_transactions, view bought_with
SELECT product, row_number() OVER (PARTITION BY product ORDER BY invoices DESC, other) AS rank,
       other, invoices
FROM both_bought QUALIFY rank <= 5;

-- of retail_transactions, view baskets
SELECT products, count(*) FROM (SELECT count(*) AS products FROM bought GROUP BY invoice)
GROUP BY ALL;

-- of tweets_sample
-- `lower` maps each letter to one letter; the lower case of a capital I with a dot has two.
CREATE TABLE tags AS
SELECT strftime(date_trunc('hour', publish_date::TIMESTAMP), '%Y-%m-%dT%H:%M:%SZ') AS hour,
       author_id, lower(replace(tag, 'İ', 'i' || chr(775))) AS tag
FROM (SELECT publish_date, author_id,
             unnest(regexp_extract_all(content, '#([\p{L}\p{Nd}_]+)', 1)) AS tag
      FROM file);

-- of tweets_sample, view tags_by_hour
SELECT hour, tag, count(*) FROM tags GROUP BY ALL;

-- of tweets_sample, view top_tags
SELECT hour, row_number() OVER (PARTITION BY hour ORDER BY n DESC, tag) AS rank, tag, n
FROM (SELECT hour, tag, count(*) AS n FROM tags GROUP BY ALL)
QUALIFY rank <= 10;

-- of tweets_sample, view tag_authors
SELECT tag, count(DISTINCT author_id) FROM tags GROUP BY ALL;

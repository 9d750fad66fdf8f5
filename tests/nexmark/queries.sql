-- The same questions in SQL, after the suite's, for tables whose instants are microseconds.
-- Rows that tie are put in the order in which the dataflows do; averages are rounded to three digits.
-- setup
CREATE MACRO thousandths(n) AS (n // 1000)::VARCHAR || '.' || lpad((n % 1000)::VARCHAR, 3, '0');
CREATE MACRO mean(s, n) AS thousandths((2000 * s + n) // (2 * n));
CREATE MACRO ten(t) AS t // 10000000 * 10000000;
CREATE MACRO day(t) AS strftime(make_timestamp(t), '%Y-%m-%d');
CREATE VIEW winning AS
  SELECT * FROM (
    SELECT a.*, b.bidder, b.price, b.date_time AS bid_date_time, b.extra AS bid_extra,
      row_number() OVER (PARTITION BY a.id
        ORDER BY b.price DESC, b.date_time, b.bidder, b.extra) AS place
    FROM auctions a JOIN bids b ON a.id = b.auction
    WHERE b.date_time BETWEEN a.date_time AND a.expires)
  WHERE place = 1;
-- q0
SELECT auction, bidder, price, date_time, extra FROM bids
-- q1
SELECT auction, bidder, thousandths(908 * price), date_time, extra FROM bids
-- q2
SELECT auction, price FROM bids WHERE auction % 123 = 0
-- q3
SELECT a.id, p.name, p.city, p.state FROM auctions a JOIN people p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')
-- q4
SELECT category, mean(sum(price), count(*)) FROM winning GROUP BY category
-- q5
WITH counts AS (
  SELECT (date_time // 2000000 - k) * 2000000 AS start, auction, count(*) AS n
  FROM bids, range(5) AS hops(k) GROUP BY ALL)
SELECT start, start + 10000000, auction, n FROM counts
WHERE n >= (SELECT max(n) FROM counts AS others WHERE others.start = counts.start)
-- q6
SELECT seller, mean(sum(price), count(*)) FROM (
  SELECT seller, price, row_number() OVER (PARTITION BY seller ORDER BY expires DESC, id) AS back
  FROM winning)
WHERE back <= 10 GROUP BY seller
-- q7
SELECT ten(date_time), ten(date_time) + 10000000, b.price, auction, bidder, date_time, extra
FROM bids b JOIN (SELECT ten(date_time) AS start, max(price) AS price FROM bids GROUP BY ALL) most
  ON most.start = ten(b.date_time) AND most.price = b.price
-- q8
SELECT DISTINCT p.id, ten(p.date_time), ten(p.date_time) + 10000000, p.name
FROM people p JOIN auctions a ON p.id = a.seller AND ten(p.date_time) = ten(a.date_time)
-- q9
SELECT * EXCLUDE (place) FROM winning
-- q11
WITH steps AS (
  SELECT bidder, date_time,
    coalesce(date_time - lag(date_time) OVER bids > 10000000, true) AS first
  FROM bids WINDOW bids AS (PARTITION BY bidder ORDER BY date_time)),
sessions AS (
  SELECT *, sum(first::INT) OVER (PARTITION BY bidder ORDER BY date_time
    ROWS UNBOUNDED PRECEDING) AS session FROM steps)
SELECT bidder, min(date_time), max(date_time) + 10000000, count(*) FROM sessions
GROUP BY bidder, session
-- q12
SELECT bidder, ten(date_time), ten(date_time) + 10000000, count(*) FROM bids GROUP BY ALL
-- q13
SELECT auction, bidder, price, date_time, value FROM bids JOIN side_inputs ON auction % 10000 = key
-- q14
SELECT auction, bidder, thousandths(908 * price),
  CASE WHEN hour BETWEEN 8 AND 18 THEN 'dayTime'
       WHEN hour <= 6 OR hour >= 20 THEN 'nightTime' ELSE 'otherTime' END,
  date_time, extra, length(extra) - length(replace(extra, 'c', ''))
FROM (SELECT *, date_part('hour', make_timestamp(date_time)) AS hour FROM bids)
WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000
-- q15
SELECT day(date_time), count(*),
  count(*) FILTER (price < 10000),
  count(*) FILTER (price >= 10000 AND price < 1000000),
  count(*) FILTER (price >= 1000000),
  count(DISTINCT bidder),
  count(DISTINCT bidder) FILTER (price < 10000),
  count(DISTINCT bidder) FILTER (price >= 10000 AND price < 1000000),
  count(DISTINCT bidder) FILTER (price >= 1000000),
  count(DISTINCT auction),
  count(DISTINCT auction) FILTER (price < 10000),
  count(DISTINCT auction) FILTER (price >= 10000 AND price < 1000000),
  count(DISTINCT auction) FILTER (price >= 1000000)
FROM bids GROUP BY 1
-- q16
SELECT channel, day(date_time), max(strftime(make_timestamp(date_time), '%H:%M')), count(*),
  count(*) FILTER (price < 10000),
  count(*) FILTER (price >= 10000 AND price < 1000000),
  count(*) FILTER (price >= 1000000),
  count(DISTINCT bidder),
  count(DISTINCT bidder) FILTER (price < 10000),
  count(DISTINCT bidder) FILTER (price >= 10000 AND price < 1000000),
  count(DISTINCT bidder) FILTER (price >= 1000000),
  count(DISTINCT auction),
  count(DISTINCT auction) FILTER (price < 10000),
  count(DISTINCT auction) FILTER (price >= 10000 AND price < 1000000),
  count(DISTINCT auction) FILTER (price >= 1000000)
FROM bids GROUP BY 1, 2
-- q17
SELECT auction, day(date_time), count(*),
  count(*) FILTER (price < 10000),
  count(*) FILTER (price >= 10000 AND price < 1000000),
  count(*) FILTER (price >= 1000000),
  min(price), max(price), mean(sum(price), count(*)), sum(price)
FROM bids GROUP BY 1, 2
-- q18
SELECT * EXCLUDE (place) FROM (
  SELECT bidder, auction, price, channel, url, date_time, extra,
    row_number() OVER (PARTITION BY bidder, auction
      ORDER BY date_time DESC, price DESC, channel DESC, url DESC, extra DESC) AS place
  FROM bids)
WHERE place = 1
-- q19
SELECT * FROM (
  SELECT auction, row_number() OVER (PARTITION BY auction
      ORDER BY price DESC, bidder DESC, channel DESC, url DESC, date_time DESC, extra DESC)
    AS place, price, bidder, channel, url, date_time, extra
  FROM bids)
WHERE place <= 10
-- q20
SELECT b.*, a.* FROM bids b JOIN auctions a ON b.auction = a.id WHERE a.category = 10

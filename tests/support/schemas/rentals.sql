-- A shop that rents films: domains, enums, arrays, text search, an aggregate, partitions, many views.
CREATE TYPE rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
CREATE DOMAIN year AS integer CONSTRAINT year_check CHECK (VALUE >= 1901 AND VALUE <= 2155);
CREATE FUNCTION _concat(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $_$ SELECT coalesce($1 || ', ' || $2, $1, $2) $_$;
CREATE AGGREGATE concat_all(text) (SFUNC = _concat, STYPE = text);
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_update = CURRENT_TIMESTAMP;
    RETURN NEW;
END $$;
CREATE SEQUENCE actor_actor_id_seq;
CREATE TABLE actor (
    actor_id integer DEFAULT nextval('actor_actor_id_seq'::regclass) NOT NULL PRIMARY KEY,
    first_name text NOT NULL, last_name text NOT NULL, last_update timestamptz DEFAULT now() NOT NULL
);
CREATE TABLE language (language_id serial PRIMARY KEY, name character(20) NOT NULL, last_update timestamptz DEFAULT now() NOT NULL);
CREATE TABLE film (
    film_id serial PRIMARY KEY,
    title text NOT NULL,
    description text,
    release_year year,
    language_id integer NOT NULL REFERENCES language ON UPDATE CASCADE ON DELETE RESTRICT,
    original_language_id integer REFERENCES language ON UPDATE CASCADE ON DELETE RESTRICT,
    rental_duration smallint DEFAULT 3 NOT NULL,
    rental_rate numeric(4, 2) DEFAULT 4.99 NOT NULL,
    length smallint,
    rating rating DEFAULT 'G'::rating,
    special_features text[],
    fulltext tsvector NOT NULL,
    last_update timestamptz DEFAULT now() NOT NULL
);
CREATE INDEX film_fulltext_idx ON film USING gist (fulltext);
CREATE INDEX idx_title ON film USING btree (title);
CREATE TRIGGER film_fulltext BEFORE INSERT OR UPDATE ON film
    FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger('fulltext', 'pg_catalog.english', 'title', 'description');
CREATE TRIGGER last_updated BEFORE UPDATE ON film FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TABLE film_actor (
    actor_id integer NOT NULL REFERENCES actor ON UPDATE CASCADE,
    film_id integer NOT NULL REFERENCES film ON UPDATE CASCADE,
    last_update timestamptz DEFAULT now() NOT NULL,
    PRIMARY KEY (actor_id, film_id)
);
CREATE TABLE store (store_id serial PRIMARY KEY, manager_staff_id integer NOT NULL UNIQUE);
CREATE TABLE staff (
    staff_id serial PRIMARY KEY, store_id integer NOT NULL REFERENCES store, email text,
    active boolean DEFAULT true NOT NULL, username text NOT NULL, password text, picture bytea
);
ALTER TABLE store ADD FOREIGN KEY (manager_staff_id) REFERENCES staff DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE payment (
    payment_id serial NOT NULL, staff_id integer NOT NULL, amount numeric(5, 2) NOT NULL,
    payment_date timestamptz NOT NULL, PRIMARY KEY (payment_date, payment_id)
) PARTITION BY RANGE (payment_date);
CREATE TABLE payment_p1 PARTITION OF payment FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE INDEX ON payment (staff_id);
CREATE VIEW actor_info AS
    SELECT a.actor_id, concat_all(f.title) AS films FROM actor a
    LEFT JOIN film_actor fa USING (actor_id) LEFT JOIN film f USING (film_id) GROUP BY a.actor_id;
CREATE MATERIALIZED VIEW by_rating AS SELECT rating, count(*) AS films FROM film GROUP BY rating;
CREATE UNIQUE INDEX by_rating_key ON by_rating (rating);

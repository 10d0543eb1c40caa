/* What the tests of lib/pg share: a private server with a small schema, and short forms. */
#ifndef WF_TEST_PG_H
#define WF_TEST_PG_H

#include "wf_test.h"
#include "wf_test_servers.h"

#include "pg/wf_pg.h"

#define MS(n) apr_time_from_msec(n)
#define ACME "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"

static wf_test_server_t server;

static const wf_pg_stmt_t __attribute__((unused))
add_item = {"add_item", "INSERT INTO wflows.items (company_id, name, qty) VALUES ($1, $2, $3)", 3};
static const wf_pg_stmt_t __attribute__((unused))
list_items = {"list_items", "SELECT name, qty FROM wflows.items ORDER BY name", 0};
static const wf_pg_stmt_t __attribute__((unused))
count_items = {"count_items", "SELECT count(*) FROM wflows.items", 0};
static const wf_pg_stmt_t __attribute__((unused))
clear_items = {"clear_items", "DELETE FROM wflows.items", 0};
static const wf_pg_stmt_t __attribute__((unused))
backend_pid = {"backend_pid", "SELECT pg_catalog.pg_backend_pid()", 0};
static const wf_pg_stmt_t __attribute__((unused))
kill_backend = {"kill_backend", "SELECT pg_catalog.pg_terminate_backend($1::int)", 1};
static const wf_pg_stmt_t __attribute__((unused))
setting = {"setting", "SELECT pg_catalog.current_setting($1, true)", 1};
static const wf_pg_stmt_t __attribute__((unused))
sleep_ms = {"sleep_ms", "SELECT pg_catalog.pg_sleep($1::float8 / 1000)", 1};

static inline wf_pg_conf_t conf_as(const char *user)
{
    return (wf_pg_conf_t){
        .conninfo = apr_psprintf(test_pool, "host=%s user=%s dbname=postgres", server.dir, user),
        .connect_timeout = MS(1500),
        .statement_timeout = MS(2000),
        .check_role = 1,
        .pool = {.name = "PostgreSQL",
                 .keep = 2,
                 .max = 4,
                 .acquire_timeout = MS(1000),
                 .retry_interval = MS(300)}};
}

static inline wf_pg_t *make(const wf_pg_conf_t *conf)
{
    wf_pg_t *pg;

    ck_assert_int_eq(wf_pg_make(test_ctx, &pg, test_pool, conf), WF_OK);
    return pg;
}

static inline wf_pg_t *app(void)
{
    wf_pg_conf_t conf = conf_as("wflows_app");

    return make(&conf);
}

static inline wf_pg_t *superuser(void)
{
    wf_pg_conf_t conf = conf_as("postgres");

    conf.check_role = 0;
    return make(&conf);
}

static inline wf_pg_conn_t *acquire(wf_pg_t *pg)
{
    wf_pg_conn_t *conn;
    wf_status_t st = wf_pg_acquire(test_ctx, &conn, pg);

    ck_assert_msg(st == WF_OK, "acquire: %s", test_ctx->err.detail);
    return conn;
}

static const char *one(wf_pg_conn_t *conn, const wf_pg_stmt_t *stmt, const char *param)
{
    wf_pg_result_t *res;
    wf_status_t st = wf_pg_exec(test_ctx, &res, conn, stmt, &param);

    ck_assert_msg(st == WF_OK, "%s: %s", stmt->name, test_ctx->err.detail);
    return wf_pg_cell(res, 0, 0);
}

static inline wf_status_t add(wf_pg_conn_t *conn, const char *company, const char *name,
                              const char *qty)
{
    wf_pg_param_t params[] = {company, name, qty};

    wf_ctx_clear(test_ctx);
    return wf_pg_exec(test_ctx, NULL, conn, &add_item, params);
}

static inline uint64_t trips(wf_pg_t *pg)
{
    wf_pg_stats_t stats;

    wf_pg_stats(&stats, pg);
    return stats.round_trips;
}

/* Each test begins with an empty table. */
static inline void empty_table(void)
{
    wf_pg_t *pg = superuser();
    wf_pg_conn_t *conn = acquire(pg);

    ck_assert_int_eq(wf_pg_exec(test_ctx, NULL, conn, &clear_items, NULL), WF_OK);
    wf_pg_release(pg, conn);
}

static const char schema[] =
    "CREATE ROLE wflows_owner LOGIN; CREATE ROLE wflows_app LOGIN; CREATE ROLE bypasser LOGIN "
    "BYPASSRLS;"
    "CREATE ROLE owner_member LOGIN; GRANT wflows_owner TO owner_member;"
    "CREATE SCHEMA wflows AUTHORIZATION wflows_owner; SET ROLE wflows_owner;"
    "CREATE TABLE wflows.items (company_id uuid, name text, qty int NOT NULL CHECK (qty >= 0),"
    " PRIMARY KEY (company_id, name));"
    "CREATE TABLE wflows.late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);"
    "ALTER TABLE wflows.items ENABLE ROW LEVEL SECURITY;"
    "ALTER TABLE wflows.items FORCE ROW LEVEL SECURITY;"
    "CREATE POLICY tenant ON wflows.items USING (company_id ="
    " (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));"
    "GRANT USAGE ON SCHEMA wflows TO wflows_app, bypasser;"
    "GRANT SELECT, INSERT, UPDATE, DELETE ON wflows.items TO wflows_app; RESET ROLE;";

/* Once for the whole program. */
static inline void load_schema(void)
{
    wf_pg_t *pg;
    wf_pg_conn_t *conn;

    wf_test_setup();
    pg = superuser();
    conn = acquire(pg);
    ck_assert_int_eq(wf_pg_exec_script(test_ctx, conn, schema), WF_OK);
    wf_pg_release(pg, conn);
    wf_test_teardown();
}

/* Starts the server, runs what `add` adds, stops the server. */
static inline int wf_test_pg_main(const char *name, void (*add_tests)(TCase *tc))
{
    Suite *s = suite_create(name);
    TCase *tc = wf_test_case(s, name);
    const char *reason;
    int result;

    tcase_add_unchecked_fixture(tc, load_schema, NULL);
    tcase_add_checked_fixture(tc, empty_table, NULL);
    add_tests(tc);
    apr_initialize();
    reason = wf_test_pg_start(&server);
    result = reason ? wf_test_skip("pg", reason) : wf_test_run(s);
    wf_test_pg_stop(&server);
    return result;
}

#endif

/* What the tests of lib/store share: a private PostgreSQL, migrated by an owner that is no
 * superuser, a private Redis, a store that connects as wflows_app, and a look behind its back as
 * the superuser. */
#ifndef WF_TEST_STORE_H
#define WF_TEST_STORE_H

#include "../00-unit/wf_test.h"
#include "../00-unit/wf_test_servers.h"

#include "store/wf_keys.h"
#include "store/wf_sql.h"
#include "store/wf_store.h"

#include <string.h>

#define OWNER "wf_owner"
#define DATABASE "wf_test"

static wf_test_server_t pg_server, redis_server;
static wf_store_t store;
static wf_pg_t *superuser;
static wf_keyring_t *ring;
static const wf_actor_t operator_root = {.actor = "wflowsctl:root", .ip_address = "127.0.0.1", .user_agent = "test/1"};

/* Reports what the library said. */
#define OK(call)                                                              \
    do {                                                                      \
        wf_status_t st_ = (call);                                             \
        ck_assert_msg(st_ == WF_OK, "%s: %s: %s", #call, wf_status_name(st_), \
                      test_ctx->err.detail ? test_ctx->err.detail : "-");     \
    } while (0)

/* Fails with this status and this text for the caller; forgets it. */
#define FAILS(call, status, text)                                                                 \
    do {                                                                                          \
        wf_ctx_clear(test_ctx);                                                                   \
        wf_status_t st_ = (call);                                                                 \
        ck_assert_msg(st_ == (status), "%s: %s and not %s (%s)", #call, wf_status_name(st_),      \
                      wf_status_name(status), test_ctx->err.detail ? test_ctx->err.detail : "-"); \
        ck_assert_str_eq(test_ctx->err.public_text ? test_ctx->err.public_text : "-", text);      \
        wf_ctx_clear(test_ctx);                                                                   \
    } while (0)

static inline wf_pg_t *pg_as(const char *user, const char *database, int check_role)
{
    wf_pg_conf_t conf = {
        .conninfo =
            apr_psprintf(test_pool, "host=%s user=%s dbname=%s", pg_server.dir, user, database),
        .connect_timeout = apr_time_from_sec(5),
        .statement_timeout = apr_time_from_sec(30),
        .check_role = check_role,
        .pool = {.name = "PostgreSQL",
                 .max = 3,
                 .keep = 1,
                 .acquire_timeout = apr_time_from_sec(5),
                 .retry_interval = apr_time_from_msec(200)},
    };
    wf_pg_t *pg;

    OK(wf_pg_make(test_ctx, &pg, test_pool, &conf));
    return pg;
}

static inline wf_redis_t *redis_at(const char *socket)
{
    wf_redis_conf_t conf = {
        .url = apr_psprintf(test_pool, "unix://%s", socket),
        .connect_timeout = apr_time_from_sec(1),
        .command_timeout = apr_time_from_sec(1),
        .pool = {.name = "Redis",
                 .max = 2,
                 .acquire_timeout = apr_time_from_sec(1),
                 .retry_interval = apr_time_from_msec(200)},
    };
    wf_redis_t *redis;

    OK(wf_redis_make(test_ctx, &redis, test_pool, &conf));
    return redis;
}

/* A script as somebody, in one transaction. */
static inline wf_status_t script_as(wf_pg_t *pg, const char *sql)
{
    wf_pg_conn_t *conn;
    wf_status_t st;

    OK(wf_pg_acquire(test_ctx, &conn, pg));
    OK(wf_pg_begin(test_ctx, conn, NULL));
    st = wf_pg_exec_script(test_ctx, conn, sql);
    if (st == WF_OK) {
        st = wf_pg_commit(test_ctx, conn);
    }
    wf_pg_release(pg, conn);
    return st;
}

/* First cell of what the superuser sees, "-" for NULL or no row. %s only with what tests made up.
 */
static inline const char *ask(const char *fmt, ...)
{
    wf_pg_stmt_t stmt = {NULL, NULL, 0};
    wf_pg_result_t *res;
    wf_pg_conn_t *conn;
    const char *cell;
    va_list args;

    va_start(args, fmt);
    stmt.text = apr_pvsprintf(test_pool, fmt, args);
    va_end(args);
    OK(wf_pg_acquire(test_ctx, &conn, superuser));
    OK(wf_pg_exec(test_ctx, &res, conn, &stmt, NULL));
    cell = wf_pg_cell(res, 0, 0);
    wf_pg_release(superuser, conn);
    return cell ? cell : "-";
}

static inline wf_keyring_t *ring_of(const char *primary, const char *other)
{
    wf_master_key_t keys[2];
    wf_keyring_t *out;

    memset(keys, 0, sizeof(keys));
    keys[0].id = primary;
    memset(keys[0].key, primary[0], sizeof(keys[0].key));
    keys[1].id = other;
    memset(keys[1].key, other ? other[0] : 0, sizeof(keys[1].key));
    OK(wf_keyring_make(test_ctx, &out, keys, other ? 2 : 1));
    return out;
}

static inline void store_setup(void)
{
    superuser = pg_as("postgres", DATABASE, 0);
    store.pg = pg_as("wflows_app", DATABASE, 1);
    store.redis = redis_at(redis_server.socket);
    store.prefix = "wf:";
    ring = ring_of("one", "two");
}

/* ---- Redis ------------------------------------------------------------------------------ */

/* One command of NUL-terminated words; its reply as text ("-" for nil). */
#define REDIS(...)                                                        \
    __extension__({                                                       \
        wf_redis_batch_t *batch_ = wf_redis_batch(test_ctx, store.redis); \
        int at_ = wf_redis_addv(batch_, __VA_ARGS__, NULL);               \
        OK(wf_redis_run(test_ctx, batch_));                               \
        reply_text(wf_redis_reply(batch_, at_));                          \
    })

static inline const char *reply_text(const wf_redis_reply_t *reply)
{
    switch (reply->type) {
    case WF_REDIS_TEXT:
        return reply->text;
    case WF_REDIS_INT:
        return apr_psprintf(test_pool, "%d", (int)reply->n);
    default:
        return "-";
    }
}

/* ---- records ---------------------------------------------------------------------------- */

static inline const char *new_company_on(const char *slug, const char *plan)
{
    wf_company_new_t c = {.slug = slug,
                          .name = "Some Company",
                          .plan = plan,
                          .max_monthly_messages = -1,
                          .max_accounts = -1,
                          .max_flows = -1};
    const char *id;

    OK(wf_company_create(test_ctx, &id, &store, ring, &c, 0, &operator_root));
    return id;
}

static inline const char *new_company(const char *slug)
{
    return new_company_on(slug, "enterprise");
}

static inline wf_account_new_t account_named(const char *name, const char *phone_number_id)
{
    return (wf_account_new_t){
        .name = name, .phone_number_id = phone_number_id, .waba_id = "123456789", .rate_max = -1};
}

static inline const char *new_account(const char *company, const char *name,
                                      const char *phone_number_id)
{
    wf_account_new_t a = account_named(name, phone_number_id);
    const char *id;

    OK(wf_account_create(test_ctx, &id, &store, ring, company, &a, 0, &operator_root));
    return id;
}

static inline wf_flow_new_t flow_named(const char *name, const char *plan)
{
    return (wf_flow_new_t){
        .name = name, .flow_json = "{\"version\": \"7.0\"}", .plan = plan, .activate = 1};
}

static inline wf_json_t *json(const char *text)
{
    wf_json_t *out;

    OK(wf_json_parse(test_ctx, &out, text, strlen(text), 0));
    return out;
}

static inline wf_tenant_t *tenant_of(const char *slug, const char *account)
{
    const char *text;
    size_t len;
    wf_tenant_t *tenant;

    OK(wf_tenant_record_load(test_ctx, &text, &len, &store, slug, account));
    OK(wf_tenant_parse(test_ctx, &tenant, text, len));
    return tenant;
}

/* The newest audit row of a company: "action|resource id|old|new". */
static inline const char *last_audit(const char *company)
{
    return ask("select concat_ws('|', action, resource_id, coalesce(old_values::text, '-'),"
               " coalesce(new_values::text, '-')) from wflows.audit_logs"
               " where company_id = '%s' order by id desc limit 1",
               company);
}

static inline const char *outbox_statuses(const char *company)
{
    return ask("select string_agg(distinct status, ',') from wflows.outbox where company_id = '%s'",
               company);
}

/* ---- main ------------------------------------------------------------------------------- */

static inline const char *schema_folder(void)
{
    const char *src = getenv("WF_SRCDIR");

    return apr_pstrcat(test_pool, src ? src : ".", "/schema", NULL);
}

/* Once for the whole program. The owner may make roles and is nothing more. */
static inline void make_database(void)
{
    wf_migrate_report_t report;
    wf_pg_conn_t *conn;

    wf_test_setup();
    superuser = pg_as("postgres", "postgres", 0);
    OK(wf_pg_acquire(test_ctx, &conn, superuser));
    OK(wf_pg_exec_script(test_ctx, conn, "create role " OWNER " login createrole"));
    OK(wf_pg_exec_script(test_ctx, conn, "create database " DATABASE " owner " OWNER));
    wf_pg_release(superuser, conn);
    OK(wf_migrate(test_ctx, &report, pg_as(OWNER, DATABASE, 0), schema_folder(), NULL, NULL));
    ck_assert_int_eq(report.applied, WF_SCHEMA_VERSION_NEEDED);
    wf_test_teardown();
}

static inline int wf_test_store_main(const char *name, void (*add_tests)(TCase *tc))
{
    Suite *s = suite_create(name);
    TCase *tc = wf_test_case(s, name);
    const char *why_pg, *why_redis;
    int result;

    tcase_add_unchecked_fixture(tc, make_database, NULL);
    tcase_add_checked_fixture(tc, store_setup, NULL);
    add_tests(tc);
    apr_initialize();
    why_pg = wf_test_pg_start(&pg_server);
    why_redis = wf_test_redis_start(&redis_server);
    result = why_pg      ? wf_test_skip("pg", why_pg)
             : why_redis ? wf_test_skip("redis", why_redis)
                         : wf_test_run(s);
    wf_test_pg_stop(&pg_server);
    wf_test_redis_stop(&redis_server);
    return result;
}

#endif

#include "pg/wf_pg_int.h"

#include <string.h>

/* All SQL of this layer: what makes a session and a transaction. Everything else is in lib/store.
 */

const wf_pg_stmt_t wf_pg_begin_stmt = {NULL, "BEGIN", 0};
const wf_pg_stmt_t wf_pg_commit_stmt = {NULL, "COMMIT", 0};
const wf_pg_stmt_t wf_pg_rollback_stmt = {NULL, "ROLLBACK", 0};
const wf_pg_stmt_t wf_pg_tenant_stmt = {
    "wf_tenant", "SELECT pg_catalog.set_config('app.tenant_id', $1, true)", 1};

/* search_path is pinned so that nobody's schema can put a function between us and pg_catalog. */
static const wf_pg_stmt_t session_stmt = {
    NULL,
    "SELECT pg_catalog.set_config('search_path', '', false),"
    " pg_catalog.set_config('timezone', 'UTC', false),"
    " pg_catalog.set_config('statement_timeout', $1, false),"
    " r.rolname, r.rolsuper, r.rolbypassrls,"
    " EXISTS (SELECT 1 FROM pg_catalog.pg_namespace n WHERE n.nspname = 'wflows'"
    " AND pg_catalog.pg_has_role(r.oid, n.nspowner, 'MEMBER'))"
    " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user",
    1};

enum { COLUMN_ROLE = 3, COLUMN_SUPER, COLUMN_BYPASS, COLUMN_OWNER };

static int is_true(const PGresult *res, int column)
{
    return strcmp(PQgetvalue(res, 0, column), "t") == 0;
}

/* Row level security does not bind these roles: one forgotten WHERE would show another company's
 * data. */
static wf_status_t check_role(wf_ctx_t *ctx, const PGresult *res)
{
    const char *role, *fault, *mend;

    if (PQntuples(res) != 1) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0062) "PostgreSQL: the role of this connection is "
                                     "not in pg_roles, so it cannot be checked");
    }
    role = PQgetvalue(res, 0, COLUMN_ROLE);
    if (is_true(res, COLUMN_SUPER)) {
        fault = "is a superuser";
        mend = "ALTER ROLE ... NOSUPERUSER";
    } else if (is_true(res, COLUMN_BYPASS)) {
        fault = "has BYPASSRLS";
        mend = "ALTER ROLE ... NOBYPASSRLS";
    } else if (is_true(res, COLUMN_OWNER)) {
        fault = "owns the schema wflows or belongs to its owner";
        mend = "REVOKE the owner's role from it";
    } else {
        return WF_OK;
    }
    return wf_fail(
        ctx, WF_EDENIED,
        WFLOGNO(0063) "PostgreSQL: refusing to run as role \"%s\": it %s, and row level "
                      "security, which keeps companies apart, would not hold. Connect as "
                      "the runtime role (user=wflows_app), or %s",
        role, fault, mend);
}

wf_status_t wf_pg_set_up_session(wf_ctx_t *ctx, wf_pg_conn_t *conn, apr_interval_time_t limit)
{
    const wf_pg_conf_t *conf = &conn->owner->conf;
    wf_pg_param_t params[1];
    wf_pg_step_t step = {.stmt = &session_stmt, .params = params};
    wf_status_t st;

    params[0] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                             (apr_int64_t)apr_time_as_msec(conf->statement_timeout));
    st = wf_pg_run(ctx, conn, &step, 1, limit);
    if (st == WF_OK && conf->check_role) {
        st = check_role(ctx, step.res);
    }
    PQclear(step.res);
    return st;
}

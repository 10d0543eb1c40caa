#include "pg/wf_pg_int.h"

#include <string.h>

#define MESSAGE_MAX 300

/* Prefixes of SQLSTATE, the longer ones first; the rest is WF_EINTERNAL. */
static const struct {
    const char *prefix;
    wf_status_t status;
    int breaks; /* the connection is of no more use */
} sqlstates[] = {
    {"23505", WF_ECONFLICT, 0}, /* unique_violation */
    {"23P01", WF_ECONFLICT, 0}, /* exclusion_violation */
    {"23", WF_EINVALID, 0},     /* check, foreign key, not null */
    {"22", WF_EINVALID, 0},     /* data_exception: a value that is none of its type */
    {"40", WF_ECONFLICT, 0},    /* serialization_failure, deadlock_detected */
    {"42501", WF_EDENIED, 0},   /* insufficient_privilege, row level security */
    {"57014", WF_EUNAVAIL, 0},  /* query_canceled: statement_timeout */
    {"55P03", WF_EUNAVAIL, 0},  /* lock_not_available: lock_timeout */
    {"25006", WF_EUNAVAIL, 1},  /* read_only_sql_transaction: a standby after a failover */
    {"0A000", WF_EUNAVAIL, 1}, /* a cached plan outlived a migration; a new connection plans anew */
    {"26000", WF_EUNAVAIL,
     1}, /* our prepared statement is gone: somebody's DEALLOCATE or a proxy */
    {"42P05", WF_EUNAVAIL, 1}, /* somebody else's prepared statement has our name */
    {"08", WF_EUNAVAIL, 1},    /* connection_exception */
    {"53", WF_EUNAVAIL, 0},    /* insufficient_resources: disk full, out of memory */
    {"57", WF_EUNAVAIL, 1},    /* operator_intervention: shutting down, crashed, starting up */
};

int wf_pg_is_fatal(const PGresult *res)
{
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

    return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

static wf_status_t status_of(int *breaks, const char *sqlstate)
{
    size_t i;

    *breaks = 0;
    for (i = 0; sqlstate && i < sizeof(sqlstates) / sizeof(sqlstates[0]); i++) {
        if (strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0) {
            *breaks = sqlstates[i].breaks;
            return sqlstates[i].status;
        }
    }
    return WF_EINTERNAL;
}

const char *wf_pg_message(apr_pool_t *pool, const char *text)
{
    const char *end = text ? strstr(text, "LOCATION:") : NULL;
    char *line, *c;
    size_t len;

    if (!text || !*text) {
        return "no reason given";
    }
    len = end ? (size_t)(end - text) : strlen(text);
    if (len > MESSAGE_MAX) {
        len = MESSAGE_MAX;
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' ')) {
        len--;
    }
    line = apr_pstrmemdup(pool, text, len);
    for (c = line; *c; c++) {
        if (*c == '\n' || *c == '\t') {
            *c = ' ';
        }
    }
    return line;
}

/* The primary message only: the detail quotes rows. Those of class 22 quote the bad value itself,
 * which may be a person's: cut there. */
static const char *primary_message(apr_pool_t *pool, const PGresult *res, const char *sqlstate)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *quote;

    if (!text) {
        text = PQresultErrorMessage(res);
    }
    if (sqlstate && strncmp(sqlstate, "22", 2) == 0 && (quote = strchr(text, '"')) != NULL) {
        text = apr_pstrmemdup(pool, text, (size_t)(quote - text));
    }
    return wf_pg_message(pool, text);
}

wf_status_t wf_pg_fail_result(wf_ctx_t *ctx, wf_pg_conn_t *conn, const PGresult *res,
                              const char *what)
{
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    /* Says what to do and quotes no rows; our migrations write theirs for the operator. */
    const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
    wf_status_t st;
    int breaks;

    st = status_of(&breaks, sqlstate);
    if (constraint) {
        apr_cpystrn(conn->constraint, constraint, sizeof(conn->constraint));
    }
    /* libpq itself speaks without SQLSTATE, mostly of a lost connection. */
    if (!sqlstate && PQstatus(conn->pg) == CONNECTION_BAD) {
        st = WF_EUNAVAIL;
    }
    if (breaks || wf_pg_is_fatal(res) || PQstatus(conn->pg) == CONNECTION_BAD) {
        conn->broken = 1;
    }
    return wf_fail(ctx, st, WFLOGNO(0060) "PostgreSQL, %s: %s %s%s%s", what,
                   sqlstate ? sqlstate : "-----", primary_message(ctx->pool, res, sqlstate),
                   hint ? ". " : "", hint ? wf_pg_message(ctx->pool, hint) : "");
}

void wf_pg_on_notice(void *data, const PGresult *res)
{
    wf_pg_conn_t *conn = data;
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    /* A FATAL that comes while nothing is asked arrives here: the server ends the connection. */
    if (wf_pg_is_fatal(res)) {
        conn->broken = 1;
    }
    if (conn->ctx) {
        int is_warning = severity && strcmp(severity, "WARNING") == 0;

        wf_log(conn->ctx, is_warning ? WF_LOG_WARNING : WF_LOG_DEBUG,
               WFLOGNO(0061) "PostgreSQL says: %s",
               primary_message(conn->ctx->pool, res, sqlstate));
    }
}

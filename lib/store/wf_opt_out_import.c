/* Opt-outs out of a CSV file (RFC 4180), line by line as it comes in. */
#include "store/wf_manage_store.h"
#include "store/wf_store_int.h"

#include <string.h>

#define LINE_MAX_BYTES 4096
#define BATCH 500
#define BATCH_TEXT_MAX (4 * 1024 * 1024)
#define ERRORS_MAX 100
#define REASON_MAX 500
#define COLUMNS_MAX 16

enum { CONTACT, CATEGORY, REASON, COLUMNS };
static const char *const names[COLUMNS] = {"contact", "category", "reason"};

struct wf_opt_out_import_t {
    wf_ctx_t *ctx;
    const wf_store_t *store;
    const char *company_id;
    char line[LINE_MAX_BYTES + 1];
    size_t len;
    int is_long;           /* the line is over its maximum: the rest of it is passed by */
    int64_t lines;
    int at[COLUMNS];       /* which field holds it; -1: none */
    int is_headed;
    apr_pool_t *pool;      /* of the batch */
    wf_buf_t arrays[COLUMNS];
    int rows;
    int64_t good, added, updated, failed;
    wf_json_t *errors;
    wf_status_t status;    /* the first failure: nothing is read after it */
};

static void begin_batch(wf_opt_out_import_t *m)
{
    int c;

    apr_pool_clear(m->pool);
    for (c = 0; c < COLUMNS; c++) {
        wf_buf_init(&m->arrays[c], m->pool, 8192, BATCH_TEXT_MAX);
    }
    m->rows = 0;
}

wf_opt_out_import_t *wf_opt_out_import(wf_ctx_t *ctx, const wf_store_t *store,
                                       const char *company_id)
{
    wf_opt_out_import_t *m = apr_pcalloc(ctx->pool, sizeof(*m));

    m->ctx = ctx;
    m->store = store;
    m->company_id = company_id;
    m->errors = wf_json_array_make(ctx->pool);
    apr_pool_create(&m->pool, ctx->pool);
    begin_batch(m);
    return m;
}

static wf_status_t save_batch(wf_opt_out_import_t *m)
{
    wf_ctx_t *own = wf_ctx_derive(m->ctx, m->pool);
    wf_pg_param_t params[1 + COLUMNS] = {m->company_id};
    wf_pg_result_t *res;
    wf_status_t st;
    int c;

    if (m->rows == 0) {
        return WF_OK;
    }
    for (c = 0; c < COLUMNS; c++) {
        params[1 + c] = wf_store_array_end(&m->arrays[c]);
    }
    st = wf_store_query(own, &res, m->store, m->company_id, WF_SQL_OPT_OUT_IMPORT, params);
    if (st == WF_OK) {
        m->added += wf_store_int(res, 0, 0);
        m->updated += wf_store_int(res, 0, 1);
        m->good += m->rows;
    } else {
        (void)!wf_fail(m->ctx, st, WFLOGNO(0641) "opt-outs up to line %" APR_INT64_T_FMT
                                                 " could not be stored: %s",
                       m->lines, own->err.detail ? own->err.detail : wf_status_name(st));
    }
    begin_batch(m);
    return st;
}

static void refuse(wf_opt_out_import_t *m, const char *message)
{
    wf_json_t *error;

    m->failed++;
    if (wf_json_len(m->errors) < ERRORS_MAX) {
        error = wf_json_object_make(m->ctx->pool);
        wf_json_set_int(error, "line", m->lines);
        wf_json_set_str(error, "message", message);
        wf_json_push(m->errors, error);
    }
}

/* ---- one line --------------------------------------------------------------------------- */

/* The next field of the line, in place; *line moves on, NULL after the last. NULL: a quote is not closed, or
 * something stands behind it. */
static char *next_field(char **line)
{
    char *p = *line, *out = p, *field = p;

    if (*p != '"') {
        p += strcspn(p, ",");
        *line = *p == ',' ? p + 1 : NULL;
        *p = '\0';
        return field;
    }
    for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
        p += *p == '"';
        *out++ = *p;
    }
    if (*p != '"' || (p[1] != ',' && p[1] != '\0')) {
        return NULL;
    }
    *line = p[1] == ',' ? p + 2 : NULL;
    *out = '\0';
    return field;
}

/* The number of fields; -1: not CSV. */
static int split(char **fields, char *line)
{
    int n = 0;

    while (line && n < COLUMNS_MAX) {
        fields[n] = next_field(&line);
        if (!fields[n++]) {
            return -1;
        }
    }
    return line ? -1 : n;
}

static wf_status_t take_head(wf_opt_out_import_t *m, char **fields, int n)
{
    int f, c;

    m->is_headed = 1;
    for (c = 0; c < COLUMNS; c++) {
        m->at[c] = -1;
        for (f = 0; f < n; f++) {
            if (strcmp(fields[f], names[c]) == 0) {
                m->at[c] = f;
            }
        }
    }
    return m->at[CONTACT] >= 0
               ? WF_OK
               : wf_fail_public(m->ctx, WF_EINVALID,
                                WFLOGNO(0642) "line 1: a head line with the column 'contact' expected "
                                              "('category' and 'reason' may follow)");
}

static const char *field(const wf_opt_out_import_t *m, char *const *fields, int n, int column)
{
    int at = m->at[column];

    return at >= 0 && at < n && *fields[at] ? fields[at] : NULL;
}

static wf_status_t take_row(wf_opt_out_import_t *m, char **fields, int n)
{
    const char *values[COLUMNS];
    int c;

    for (c = 0; c < COLUMNS; c++) {
        values[c] = field(m, fields, n, c);
    }
    if (values[CONTACT]) {
        values[CONTACT] = wf_opt_out_contact(m->pool, values[CONTACT]);
    }
    if (!values[CATEGORY]) {
        values[CATEGORY] = "all";
    }
    if (!values[CONTACT]) {
        refuse(m, "contact: a telephone number or a user id of WhatsApp expected");
    } else if (!wf_opt_out_category_is(values[CATEGORY])) {
        refuse(m, "category: 1 to 32 of a-z, 0-9, '_' and '-' expected");
    } else if (values[REASON] && strlen(values[REASON]) > REASON_MAX) {
        refuse(m, "reason: at most 500 bytes expected");
    } else {
        for (c = 0; c < COLUMNS; c++) {
            wf_store_array_add(&m->arrays[c], values[c]);
        }
        m->rows++;
    }
    return m->rows == BATCH ? save_batch(m) : WF_OK;
}

static wf_status_t take_line(wf_opt_out_import_t *m)
{
    static const char mark[] = "\xef\xbb\xbf";
    char *fields[COLUMNS_MAX], *line = m->line;
    int n;

    if (m->len > 0 && m->line[m->len - 1] == '\r') {
        m->len--;
    }
    m->line[m->len] = '\0';
    m->lines++;
    if (m->lines == 1 && strncmp(line, mark, strlen(mark)) == 0) {
        line += strlen(mark);
    }
    if (m->len == 0 && !m->is_long) {
        return WF_OK;
    }
    n = m->is_long || !wf_utf8_is(m->line, m->len) ? -1 : split(fields, line);
    if (!m->is_headed) {
        return take_head(m, fields, n);
    }
    if (n < 0) {
        refuse(m, m->is_long ? "over 4096 bytes" : "not a line of CSV in UTF-8");
        return WF_OK;
    }
    return take_row(m, fields, n);
}

/* ---- the file --------------------------------------------------------------------------- */

static wf_status_t end_line(wf_opt_out_import_t *m)
{
    wf_status_t st = take_line(m);

    m->len = 0;
    m->is_long = 0;
    return st;
}

wf_status_t wf_opt_out_import_bytes(wf_ctx_t *ctx, const void *data, size_t len, void *import)
{
    wf_opt_out_import_t *m = import;
    const char *p = data, *end = p + len;

    while (p < end && m->status == WF_OK) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t piece = (size_t)((newline ? newline : end) - p);

        if (piece > LINE_MAX_BYTES - m->len) {
            m->is_long = 1;
            piece = LINE_MAX_BYTES - m->len;
        }
        memcpy(m->line + m->len, p, piece);
        m->len += piece;
        if (newline) {
            m->status = end_line(m);
        }
        p = newline ? newline + 1 : end;
    }
    return m->status;
}

static wf_json_t *report(const wf_opt_out_import_t *m)
{
    wf_json_t *out = wf_json_object_make(m->ctx->pool);

    wf_json_set_int(out, "lines", m->lines);
    wf_json_set_int(out, "added", m->added);
    wf_json_set_int(out, "updated", m->updated);
    wf_json_set_int(out, "unchanged", m->good - m->added - m->updated);
    wf_json_set_int(out, "failed", m->failed);
    return out;
}

/* What was stored is audited, even if the rest never came. */
static wf_status_t audit(wf_opt_out_import_t *m, const wf_json_t *counts, const wf_actor_t *actor)
{
    wf_ctx_t *own = wf_ctx_derive(m->ctx, m->ctx->pool);
    wf_change_t change;
    wf_status_t st;

    if (m->good == 0) {
        return WF_OK;
    }
    st = wf_change_begin(own, &change, m->store, m->company_id, actor);
    if (st == WF_OK) {
        change.forget_contexts = 0;
        st = wf_change_audit(own, &change, "opt_out.imported", NULL, NULL, counts);
    }
    return wf_change_end(own, &change, st);
}

wf_status_t wf_opt_out_import_end(wf_ctx_t *ctx, wf_json_t **out, wf_opt_out_import_t *m,
                                  const wf_actor_t *actor)
{
    wf_status_t audited;

    *out = NULL;
    if (m->status == WF_OK && (m->len > 0 || m->is_long || !m->is_headed)) {
        m->status = end_line(m);
    }
    if (m->status == WF_OK && !m->is_headed) {
        m->status = take_head(m, NULL, 0);
    }
    if (m->status == WF_OK) {
        m->status = save_batch(m);
    }
    *out = report(m);
    audited = audit(m, *out, actor);
    wf_json_set(*out, "errors", m->errors);
    apr_pool_destroy(m->pool);
    return m->status != WF_OK ? m->status : audited;
}

#include "tenant/wf_tenant.h"

#include <string.h>

/* The cached form of a tenant: values one after the other, "<length>:<bytes>\n", "-\n" for none, in the order
 * of the two lists below. It is read once per request, so it is made to be read in place: no tree, no copies. */

#define FORMAT "wftenant2\n"
#define RECORD_MAX (1024 * 1024)

/* kind, member */
#define COMPANY_VALUES(V)                                                                          \
    V(TEXT, id) V(TEXT, slug) V(TEXT, name) V(TEXT, display_name) V(TEXT, status) V(TEXT, plan)    \
    V(INT, monthly_max) V(INT, rate_max) V(INT, rate_window_ms) V(JSON, settings)

#define ACCOUNT_VALUES(V)                                                                          \
    V(TEXT, id) V(TEXT, name) V(TEXT, phone_number_id) V(TEXT, waba_id) V(TEXT, status)            \
    V(INT, is_default) V(TEXT, default_flow_name) V(INT, flow_endpoint_timeout_ms)                 \
    V(INT, rate_max) V(INT, rate_window_ms) V(TEXT, app_secret) V(TEXT, previous_app_secret)       \
    V(INT, previous_secret_until) V(TEXT, private_key) V(TEXT, previous_private_key)               \
    V(INT, previous_key_until) V(TEXT, next_private_key) V(TEXT, callback_secret) V(JSON, settings)

/* ---- writing ---- */

static void put_TEXT(wf_buf_t *out, const char *text)
{
    size_t len;

    if (!text) {
        wf_buf_add(out, "-\n", 2);
        return;
    }
    len = strlen(text);
    wf_buf_printf(out, "%" APR_SIZE_T_FMT ":", len);
    wf_buf_add(out, text, len);
    wf_buf_putc(out, '\n');
}

static void put_INT(wf_buf_t *out, int64_t n)
{
    put_TEXT(out, apr_psprintf(out->pool, "%" APR_INT64_T_FMT, n));
}

static void put_JSON(wf_buf_t *out, const wf_json_t *v)
{
    put_TEXT(out, wf_json_len(v) > 0 ? wf_json_text(out->pool, v, NULL) : NULL);
}

wf_status_t wf_tenant_format(wf_ctx_t *ctx, const char **text, size_t *len, const wf_tenant_t *t)
{
    wf_buf_t out;
    int i;

    *text = NULL;
    *len = 0;
    wf_buf_init(&out, ctx->pool, 4096, RECORD_MAX);
    wf_buf_puts(&out, FORMAT);
#define PUT(kind, member) put_##kind(&out, t->company.member);
    COMPANY_VALUES(PUT)
#undef PUT
    put_INT(&out, t->account_count);
    for (i = 0; i < t->account_count; i++) {
#define PUT(kind, member) put_##kind(&out, t->accounts[i].member);
        ACCOUNT_VALUES(PUT)
#undef PUT
    }
    put_INT(&out, t->data_key_count);
    for (i = 0; i < t->data_key_count; i++) {
        put_TEXT(&out, t->data_keys[i].id);
        put_TEXT(&out, t->data_keys[i].wrapped);
    }
    if (out.failed) {
        return wf_fail(ctx, WF_ELIMIT, WFLOGNO(0133) "company %s: its record is over %d bytes",
                       t->company.slug, RECORD_MAX);
    }
    *text = out.data;
    *len = out.len;
    return WF_OK;
}

/* ---- reading ---- */

typedef struct {
    wf_ctx_t *ctx;
    char *p, *end;
    int failed;
} reader_t;

static const char *take_TEXT(reader_t *r)
{
    size_t len = 0;
    char *text;

    if (r->end - r->p >= 2 && r->p[0] == '-' && r->p[1] == '\n') {
        r->p += 2;
        return NULL;
    }
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9' && len < RECORD_MAX) {
        len = len * 10 + (size_t)(*r->p++ - '0');
    }
    if (r->p >= r->end || *r->p != ':' || len >= (size_t)(r->end - r->p - 1) ||
        r->p[1 + len] != '\n') {
        r->failed = 1;
        r->p = r->end;
        return NULL;
    }
    text = r->p + 1;
    text[len] = '\0';
    r->p = text + len + 1;
    return text;
}

static int64_t take_INT(reader_t *r)
{
    int64_t n = 0;

    if (!wf_parse_int(&n, take_TEXT(r), INT64_MIN, INT64_MAX)) {
        r->failed = 1;
    }
    return n;
}

static wf_json_t *take_JSON(reader_t *r)
{
    const char *text = take_TEXT(r);
    wf_json_t *v = NULL;

    if (text && wf_json_parse(r->ctx, &v, text, strlen(text), 0) != WF_OK) {
        r->failed = 1;
    }
    return v;
}

static int take_count(reader_t *r, int max)
{
    int64_t n = take_INT(r);

    if (n < 0 || n > max) {
        r->failed = 1;
        return 0;
    }
    return (int)n;
}

wf_status_t wf_tenant_open(wf_ctx_t *ctx, wf_tenant_t **out, char *text, size_t len)
{
    reader_t r = {ctx, text, text + len, 0};
    wf_tenant_t *t = apr_pcalloc(ctx->pool, sizeof(*t));
    int i;

    *out = NULL;
    if (len < sizeof(FORMAT) - 1 || memcmp(text, FORMAT, sizeof(FORMAT) - 1) != 0) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0134) "a cached tenant of another build");
    }
    r.p += sizeof(FORMAT) - 1;
#define TAKE(kind, member) t->company.member = take_##kind(&r);
    COMPANY_VALUES(TAKE)
#undef TAKE
    t->account_count = take_count(&r, WF_TENANT_ACCOUNTS_MAX);
    t->accounts = apr_pcalloc(ctx->pool, WF_TENANT_ACCOUNTS_MAX * sizeof(*t->accounts));
    for (i = 0; i < t->account_count; i++) {
#define TAKE(kind, member) t->accounts[i].member = take_##kind(&r);
        ACCOUNT_VALUES(TAKE)
#undef TAKE
        t->accounts[i].company_id = t->company.id;
        r.failed |= !t->accounts[i].id || !t->accounts[i].status;
    }
    t->data_key_count = take_count(&r, WF_TENANT_DATA_KEYS_MAX);
    t->data_keys = apr_pcalloc(ctx->pool, ((size_t)t->data_key_count + 1) * sizeof(*t->data_keys));
    for (i = 0; i < t->data_key_count; i++) {
        t->data_keys[i].id = take_TEXT(&r);
        t->data_keys[i].wrapped = take_TEXT(&r);
        r.failed |= !t->data_keys[i].id || !t->data_keys[i].wrapped;
    }
    if (r.failed || !t->company.id || !t->company.slug || !t->company.status) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0135) "a cached tenant is damaged");
    }
    *out = t;
    return WF_OK;
}

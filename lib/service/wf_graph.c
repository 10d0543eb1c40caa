#include "service/wf_graph.h"

#include <string.h>

#define TIMEOUT apr_time_from_sec(20)
#define BODY_MAX ((size_t)11 * 1024 * 1024) /* a flow's JSON is 10 MB at most */
#define REPLY_DEPTH 32
#define TEXT_MAX 400
#define TRACE_MAX 64

wf_status_t wf_graph_open(wf_ctx_t *ctx, wf_graph_t *out, wf_json_t **account,
                          const wf_service_t *service, const char *company_id,
                          const char *account_id)
{
    wf_secret_t token;
    wf_status_t st = wf_account_find(ctx, account, service->store, company_id, account_id);

    *out = (wf_graph_t){.service = service, .token = ""};
    if (st != WF_OK) {
        return st;
    }
    st = wf_account_secret_load(ctx, &token, service->store, service->ring, company_id,
                                wf_json_get_str(*account, "id", NULL), "access_token");
    if (st == WF_ENOTFOUND) {
        wf_ctx_clear(ctx);
        return wf_fail_code(ctx, WF_ECONFLICT, "access_token_missing",
                            WFLOGNO(0664) "the account has no access token for Meta's Graph API");
    }
    out->token = st == WF_OK ? (const char *)token.data : "";
    return st;
}

/* ---- what Meta's error codes mean: WHATSAPP.md 5.8 --------------------------------------------
 */

typedef struct {
    int from, to;
    wf_status_t status;
    const char *code;
    int is_unsure; /* it may have been done all the same */
} meaning_t;

/* The first line that fits counts. */
static const meaning_t meanings[] = {
    {0, 0, WF_ECONFLICT, "meta_token_invalid", 0},
    {190, 190, WF_ECONFLICT, "meta_token_invalid", 0},
    {3, 3, WF_ECONFLICT, "meta_permission_missing", 0},
    {10, 10, WF_ECONFLICT, "meta_permission_missing", 0},
    {200, 299, WF_ECONFLICT, "meta_permission_missing", 0},
    {131005, 131005, WF_ECONFLICT, "meta_permission_missing", 0},
    {4, 4, WF_EUNAVAIL, "meta_rate_limited", 0},
    {80007, 80007, WF_EUNAVAIL, "meta_rate_limited", 0},
    {130429, 130429, WF_EUNAVAIL, "meta_rate_limited", 0},
    {131048, 131048, WF_EUNAVAIL, "meta_rate_limited", 0},
    {131056, 131056, WF_EUNAVAIL, "meta_rate_limited", 0},
    {133016, 133016, WF_EUNAVAIL, "meta_rate_limited", 0},
    {132069, 132069, WF_EUNAVAIL, "meta_rate_limited", 0},
    {1, 2, WF_EUNAVAIL, "meta_unavailable", 1},
    {131000, 131000, WF_EUNAVAIL, "meta_unavailable", 1},
    {131016, 131016, WF_EUNAVAIL, "meta_unavailable", 1},
    {131057, 131057, WF_EUNAVAIL, "meta_unavailable", 0},
    {33, 33, WF_EINVALID, "meta_invalid_request", 0},
    {100, 100, WF_EINVALID, "meta_invalid_request", 0},
    {131008, 131009, WF_EINVALID, "meta_invalid_request", 0},
    {131021, 131021, WF_EINVALID, "meta_invalid_request", 0},
    {131051, 131053, WF_EINVALID, "meta_invalid_request", 0},
    {131062, 131062, WF_EINVALID, "meta_invalid_request", 0},
    {132000, 132016, WF_EINVALID, "meta_invalid_request", 0},
    {135000, 135000, WF_EINVALID, "meta_invalid_request", 0},
    {131047, 131047, WF_ECONFLICT, "outside_customer_window", 0},
    {131050, 131050, WF_ECONFLICT, "opted_out", 0},
    {132068, 132068, WF_ECONFLICT, "flow_blocked", 0},
    {139000, 139006, WF_ECONFLICT, "meta_flow_refused", 0},
};

static meaning_t meaning_of(int code, int http)
{
    static const meaning_t refused = {0, 0, WF_ECONFLICT, "meta_refused", 0};
    static const meaning_t broken = {0, 0, WF_EUNAVAIL, "meta_unavailable", 1};
    static const meaning_t limited = {0, 0, WF_EUNAVAIL, "meta_rate_limited", 0};
    size_t i;

    for (i = 0; code >= 0 && i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (code >= meanings[i].from && code <= meanings[i].to) {
            return meanings[i];
        }
    }
    return http == 429 ? limited : http >= 500 || http < 400 ? broken : refused;
}

/* ---- Meta's words -------------------------------------------------------------------------------
 */

/* Short, one line, and without the token: Meta repeats a malformed one. */
static const char *clean(apr_pool_t *pool, const wf_graph_t *graph, const char *text)
{
    const char *hit;
    size_t len;
    char *out, *c;

    while (graph->token[0] && (hit = strstr(text, graph->token)) != NULL) {
        text = apr_pstrcat(pool, apr_pstrmemdup(pool, text, (size_t)(hit - text)), "[redacted]",
                           hit + strlen(graph->token), NULL);
    }
    len = strlen(text);
    if (len > TEXT_MAX) {
        for (len = TEXT_MAX; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--) {
        }
    }
    out = apr_pstrmemdup(pool, text, len);
    for (c = out; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = ' ';
        }
    }
    return out;
}

/* The text that tells most; error_data may be a plain string. */
static const char *words_of(const wf_json_t *error)
{
    const wf_json_t *data = wf_json_get(error, "error_data");
    const char *text = wf_json_get_str(error, "error_user_msg", NULL);

    if (!text || !*text) {
        text = wf_json_str(data) ? wf_json_str(data) : wf_json_get_str(data, "details", NULL);
    }
    if (!text || !*text) {
        text = wf_json_get_str(error, "message", "no reason given");
    }
    return text;
}

static const char *trace_of(apr_pool_t *pool, const wf_json_t *error)
{
    const char *trace = wf_json_get_str(error, "fbtrace_id", "-");
    size_t len = strspn(trace, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    return apr_pstrmemdup(pool, trace, len < TRACE_MAX ? len : TRACE_MAX);
}

/* The log gets the code and Meta's trace id; Meta's words, which may name a person's number, only
 * the caller. */
static wf_status_t refused(wf_ctx_t *ctx, wf_graph_t *graph, const char *what, int http,
                           const wf_json_t *error)
{
    int code = error ? (int)wf_json_get_int(error, "code", -1) : -1;
    meaning_t meaning = meaning_of(code, http);
    wf_status_t st;

    if (wf_json_get_bool(error, "is_transient", 0)) {
        meaning.status = WF_EUNAVAIL;
        meaning.code = "meta_unavailable";
    }
    graph->code = code > 0 ? code : 0;
    graph->is_unsure = meaning.is_unsure;
    st = wf_fail_code(ctx, meaning.status, meaning.code,
                      WFLOGNO(0660) "Graph API, %s: HTTP status %d, Meta's code %d, trace %s", what,
                      http, code, trace_of(ctx->pool, error));
    ctx->err.public_text =
        error ? apr_psprintf(ctx->pool, "Meta: %s (code %d)",
                             clean(ctx->pool, graph, words_of(error)), code)
              : apr_psprintf(ctx->pool, "Meta's Graph API answered with HTTP status %d", http);
    return st;
}

/* ---- one call -----------------------------------------------------------------------------------
 */

typedef struct {
    const char *method, *path, *what, *type;
    const void *body;
    size_t len;
} call_t;

static wf_status_t read_reply(wf_ctx_t *ctx, wf_json_t **out, wf_graph_t *graph, const call_t *call,
                              const wf_http_reply_t *reply)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    const wf_json_t *error;
    wf_json_t *doc = NULL;

    own->log.fn = NULL; /* what is no JSON is told below */
    if (wf_json_parse(own, &doc, reply->body, reply->body_len, REPLY_DEPTH) != WF_OK ||
        wf_json_type(doc) != WF_JSON_OBJECT) {
        return refused(ctx, graph, call->what, reply->status, NULL);
    }
    error = wf_json_get(doc, "error");
    if (wf_json_type(error) == WF_JSON_OBJECT || reply->status < 200 || reply->status > 299) {
        return refused(ctx, graph, call->what, reply->status,
                       wf_json_type(error) == WF_JSON_OBJECT ? error : NULL);
    }
    *out = doc;
    return WF_OK;
}

apr_table_t *wf_graph_headers(apr_pool_t *pool, const wf_graph_t *graph)
{
    apr_table_t *headers = apr_table_make(pool, 3);

    apr_table_setn(headers, "Authorization", apr_pstrcat(pool, "Bearer ", graph->token, NULL));
    return headers;
}

static wf_status_t send_call(wf_ctx_t *ctx, wf_json_t **out, wf_graph_t *graph, const call_t *call)
{
    apr_table_t *headers = wf_graph_headers(ctx->pool, graph);
    wf_http_request_t request = {.method = call->method,
                                 .headers = headers,
                                 .body = call->body,
                                 .body_len = call->len,
                                 .timeout = TIMEOUT,
                                 .stop = graph->stop,
                                 .is_operators = 1,
                                 .is_once = strcmp(call->method, "POST") == 0};
    wf_http_reply_t reply;
    wf_json_t *doc = NULL;
    wf_status_t st;

    graph->code = 0;
    graph->is_unsure = 0;
    graph->http_status = 0;
    graph->retry_after = NULL;
    request.url = apr_pstrcat(ctx->pool, graph->service->conf.graph_url, call->path, NULL);
    apr_table_setn(headers, "Accept", "application/json");
    if (call->type) {
        apr_table_setn(headers, "Content-Type", call->type);
    }
    st = wf_http_send(ctx, &reply, graph->service->http, &request);
    if (st != WF_OK) {
        graph->is_unsure = reply.is_sent;
        ctx->err.code = "meta_unavailable";
        ctx->err.public_text = "Meta's Graph API does not answer";
        return st;
    }
    graph->http_status = reply.status;
    graph->retry_after = apr_table_get(reply.headers, "retry-after");
    st = read_reply(ctx, &doc, graph, call, &reply);
    if (out) {
        *out = doc;
    }
    return st;
}

/* "POST messages": the ids of a path are left out of the log. */
static const char *what_of(apr_pool_t *pool, const char *method, const char *path)
{
    const char *last = strrchr(path, '/') + 1;
    size_t len = strcspn(last, "?");

    if (strspn(last, "0123456789") == len) {
        return apr_pstrcat(pool, method, " of an object", NULL);
    }
    return apr_pstrcat(pool, method, " ", apr_pstrmemdup(pool, last, len), NULL);
}

wf_status_t wf_graph_get(wf_ctx_t *ctx, wf_json_t **out, wf_graph_t *graph, const char *path)
{
    const call_t call = {"GET", path, what_of(ctx->pool, "GET", path), NULL, NULL, 0};

    *out = NULL;
    return send_call(ctx, out, graph, &call);
}

static wf_status_t post(wf_ctx_t *ctx, wf_json_t **out, wf_graph_t *graph, const char *path,
                        const char *type, const void *body, size_t len)
{
    const call_t call = {"POST", path, what_of(ctx->pool, "POST", path), type, body, len};

    return send_call(ctx, out, graph, &call);
}

wf_status_t wf_graph_post(wf_ctx_t *ctx, wf_json_t **out, wf_graph_t *graph, const char *path,
                          const wf_json_t *doc)
{
    size_t len = 0;
    const char *text = doc ? wf_json_text(ctx->pool, doc, &len) : NULL;

    if (out) {
        *out = NULL;
    }
    return post(ctx, out, graph, path, doc ? "application/json" : NULL, text, len);
}

/* ---- ids and values -----------------------------------------------------------------------------
 */

int wf_graph_is_id(const char *text)
{
    size_t len = text ? strspn(text, "0123456789") : 0;

    return len >= 5 && len <= 20 && text[len] == '\0';
}

const char *wf_graph_escape(apr_pool_t *pool, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    wf_buf_t out;

    wf_buf_init(&out, pool, strlen(text) + 64, 3 * strlen(text) + 64);
    for (; *text; text++) {
        if (strchr(plain, *text)) {
            wf_buf_putc(&out, *text);
        } else {
            wf_buf_printf(&out, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
    return out.data;
}

/* ---- keys ---------------------------------------------------------------------------------------
 */

static const char *key_path(apr_pool_t *pool, const char *phone_number_id)
{
    return apr_pstrcat(pool, "/", phone_number_id, "/whatsapp_business_encryption", NULL);
}

wf_status_t wf_graph_key_upload(wf_ctx_t *ctx, wf_graph_t *graph, const char *phone_number_id,
                                const char *pem)
{
    const char *body =
        apr_pstrcat(ctx->pool, "business_public_key=", wf_graph_escape(ctx->pool, pem), NULL);

    return post(ctx, NULL, graph, key_path(ctx->pool, phone_number_id),
                "application/x-www-form-urlencoded", body, strlen(body));
}

wf_status_t wf_graph_key_read(wf_ctx_t *ctx, wf_graph_key_t *out, wf_graph_t *graph,
                              const char *phone_number_id)
{
    const wf_json_t *key;
    wf_json_t *doc;
    wf_status_t st = wf_graph_get(ctx, &doc, graph, key_path(ctx->pool, phone_number_id));

    memset(out, 0, sizeof(*out));
    if (st != WF_OK) {
        return st;
    }
    /* One of Meta's pages has the members without the list round them. */
    key = wf_json_has(doc, "data") ? wf_json_at(wf_json_get(doc, "data"), 0) : doc;
    out->pem = wf_json_get_str(key, "business_public_key", NULL);
    out->status = wf_json_get_str(key, "business_public_key_signature_status", "");
    return WF_OK;
}

/* ---- a flow's JSON ------------------------------------------------------------------------------
 */

static void put_field(wf_buf_t *out, const char *boundary, const char *disposition,
                      const char *value)
{
    wf_buf_printf(out, "--%s\r\nContent-Disposition: form-data; name=", boundary);
    wf_buf_puts(out, disposition);
    wf_buf_puts(out, "\r\n\r\n");
    wf_buf_puts(out, value);
    wf_buf_puts(out, "\r\n");
}

wf_status_t wf_graph_flow_upload(wf_ctx_t *ctx, wf_json_t **errors, wf_graph_t *graph,
                                 const char *meta_flow_id, const char *flow_json)
{
    const char *path = apr_pstrcat(ctx->pool, "/", meta_flow_id, "/assets", NULL);
    unsigned char random[16];
    const char *boundary;
    wf_json_t *doc = NULL;
    wf_buf_t body;
    wf_status_t st;

    *errors = NULL;
    if ((st = wf_rand_bytes(ctx, random, sizeof(random))) != WF_OK) {
        return st;
    }
    boundary = apr_pstrcat(ctx->pool, "wflows-", wf_hex(ctx->pool, random, sizeof(random)), NULL);
    wf_buf_init(&body, ctx->pool, strlen(flow_json) + 1024, BODY_MAX);
    put_field(&body, boundary, "\"name\"", "flow.json");
    put_field(&body, boundary, "\"asset_type\"", "FLOW_JSON");
    put_field(&body, boundary, "\"file\"; filename=\"flow.json\"\r\nContent-Type: application/json",
              flow_json);
    wf_buf_printf(&body, "--%s--\r\n", boundary);
    if (body.failed) {
        return wf_fail(ctx, WF_ELIMIT, WFLOGNO(0661) "a flow's JSON is too long for Meta");
    }
    st = post(ctx, &doc, graph, path,
              apr_pstrcat(ctx->pool, "multipart/form-data; boundary=", boundary, NULL), body.data,
              body.len);
    *errors = st == WF_OK ? wf_json_get(doc, "validation_errors") : NULL;
    return st;
}

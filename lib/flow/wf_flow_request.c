#include "flow/wf_flow.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define NUMBER_TEXT_MAX 40
#define HASHED_MAX ((size_t)8 * WF_ENVELOPE_BODY_MAX) /* data with every byte escaped, and more */
#define VERSION_MAX 16
#define NAME_MAX_LEN 200

/* ---- what can be stored ---- */

/* PostgreSQL's jsonb takes neither NUL in text nor numbers of unlimited length; one such value in a
 * form field would make every later step of the session fail to commit. */
static int is_storable(apr_pool_t *pool, const wf_json_t *v)
{
    size_t i, len;
    const char *text;

    switch (wf_json_type(v)) {
    case WF_JSON_STRING:
        return memchr(wf_json_str(v), '\0', wf_json_str_len(v)) == NULL;
    case WF_JSON_NUMBER:
        text = wf_json_text(pool, v, &len);
        return isfinite(wf_json_number(v)) && len <= NUMBER_TEXT_MAX && strpbrk(text, "eE") == NULL;
    case WF_JSON_ARRAY:
        for (i = 0; i < wf_json_len(v); i++) {
            if (!is_storable(pool, wf_json_at(v, i))) {
                return 0;
            }
        }
        return 1;
    case WF_JSON_OBJECT:
        for (wf_json_iter_t it = wf_json_iter(v); wf_json_next(&it);) {
            if (!is_storable(pool, it.value)) {
                return 0;
            }
        }
        return 1;
    default:
        return 1;
    }
}

static wf_json_t *text_without_nul(apr_pool_t *pool, const wf_json_t *v)
{
    size_t i, n = 0, len = wf_json_str_len(v);
    const char *text = wf_json_str(v);
    char *kept = apr_palloc(pool, len + 1);

    for (i = 0; i < len; i++) {
        if (text[i] != '\0') {
            kept[n++] = text[i];
        }
    }
    return wf_json_strn_make(pool, kept, n);
}

/* The nearest value that can be stored. Depth is bounded by the parser. */
static wf_json_t *mended(apr_pool_t *pool, wf_json_t *v)
{
    wf_json_t *copy;
    double number;
    size_t i;

    switch (wf_json_type(v)) {
    case WF_JSON_STRING:
        return text_without_nul(pool, v);
    case WF_JSON_NUMBER:
        number = wf_json_number(v);
        if (!isfinite(number)) {
            number = number > 0 ? DBL_MAX : -DBL_MAX;
        }
        return wf_json_number_make(pool, number);
    case WF_JSON_ARRAY:
        copy = wf_json_array_make(pool);
        for (i = 0; i < wf_json_len(v); i++) {
            wf_json_push(copy, mended(pool, wf_json_at(v, i)));
        }
        return copy;
    case WF_JSON_OBJECT:
        copy = wf_json_object_make(pool);
        for (wf_json_iter_t it = wf_json_iter(v); wf_json_next(&it);) {
            wf_json_set(copy, it.key, mended(pool, it.value));
        }
        return copy;
    default:
        return v;
    }
}

/* ---- members ---- */

/* An absent or null member is fine and leaves `otherwise`. */
static wf_status_t text_member(wf_ctx_t *ctx, const char **out, const wf_json_part_t *part,
                               size_t max, const char *otherwise)
{
    wf_slice_t text = wf_json_part_str(ctx->pool, part);
    wf_json_type_t type = wf_json_part_type(part);

    *out = otherwise;
    if (type == WF_JSON_ABSENT || type == WF_JSON_NULL) {
        return WF_OK;
    }
    if (type != WF_JSON_STRING) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0230) "flow request: %s is no string but %s",
                       part->name, wf_json_type_name(type));
    }
    if (text.len > max || memchr(text.data, '\0', text.len)) {
        return wf_fail(ctx, WF_EINVALID,
                       WFLOGNO(0231) "flow request: %s is over %d bytes or holds a NUL", part->name,
                       (int)max);
    }
    *out = apr_pstrmemdup(ctx->pool, text.data, text.len);
    return WF_OK;
}

/* An error notification may carry the raw value 300 for 3.0 (WHATSAPP.md 1.8). */
static wf_status_t version_member(wf_ctx_t *ctx, const char **out, const wf_json_part_t *part)
{
    if (wf_json_part_type(part) == WF_JSON_NUMBER) {
        *out = part->text.len <= VERSION_MAX
                   ? apr_pstrmemdup(ctx->pool, part->text.data, part->text.len)
                   : "";
        return WF_OK;
    }
    return text_member(ctx, out, part, VERSION_MAX, "");
}

static wf_status_t data_member(wf_ctx_t *ctx, wf_json_t **out, const wf_json_part_t *part)
{
    wf_json_type_t type = wf_json_part_type(part);
    wf_status_t st;
    wf_json_t *v;

    *out = NULL;
    if (type == WF_JSON_ABSENT || type == WF_JSON_NULL) {
        *out = wf_json_object_make(ctx->pool);
        return WF_OK;
    }
    if (type != WF_JSON_OBJECT) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0232) "flow request: data is no object but %s",
                       wf_json_type_name(type));
    }
    st = wf_json_parse(ctx, &v, part->text.data, part->text.len, WF_FLOW_REQUEST_DEPTH);
    if (st == WF_OK) {
        *out = is_storable(ctx->pool, v) ? v : mended(ctx->pool, v);
    }
    return st;
}

/* Presence counts, not content: the client sends an empty text too (WHATSAPP.md 1.11). */
static wf_action_t action_of(const char *text, const wf_json_t *data)
{
    if (strcmp(text, "ping") == 0) {
        return WF_ACTION_PING;
    }
    if (wf_json_has(data, "error") || wf_json_has(data, "error_key")) {
        return WF_ACTION_ERROR;
    }
    if (strcmp(text, "data_exchange") == 0) {
        return WF_ACTION_DATA_EXCHANGE;
    }
    if (strcmp(text, "INIT") == 0) {
        return WF_ACTION_INIT;
    }
    return strcmp(text, "BACK") == 0 ? WF_ACTION_BACK : WF_ACTION_UNKNOWN;
}

/* NUL parts action, screen and data, none of which can hold one. */
static void hash_request(wf_ctx_t *ctx, wf_flow_request_t *request)
{
    const char *screen = request->screen ? request->screen : "";
    wf_buf_t all;

    wf_buf_init(&all, ctx->pool, 1024, HASHED_MAX);
    wf_buf_add(&all, request->action_text, strlen(request->action_text) + 1);
    wf_buf_add(&all, screen, strlen(screen) + 1);
    wf_json_write(&all, request->data);
    wf_sha256(request->hash, all.data, all.len);
}

static const char *null_if_empty(const char *text)
{
    return text && text[0] ? text : NULL;
}

wf_status_t wf_flow_request_parse(wf_ctx_t *ctx, wf_flow_request_t *out, const char *text,
                                  size_t len)
{
    enum { ACTION, VERSION, SCREEN, DATA, TOKEN, SIGNATURE, PARTS };
    wf_json_part_t parts[PARTS] = {
        [VERSION] = {.name = "version"},  [ACTION] = {.name = "action"},
        [SCREEN] = {.name = "screen"},    [DATA] = {.name = "data"},
        [TOKEN] = {.name = "flow_token"}, [SIGNATURE] = {.name = "flow_token_signature"},
    };
    wf_flow_request_t request;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    memset(&request, 0, sizeof(request));
    st = wf_json_split(ctx, parts, PARTS, text, len, WF_FLOW_REQUEST_DEPTH);
    if (st != WF_OK ||
        (st = text_member(ctx, &request.action_text, &parts[ACTION], NAME_MAX_LEN, "")) != WF_OK ||
        (st = version_member(ctx, &request.version, &parts[VERSION])) != WF_OK ||
        (st = text_member(ctx, &request.screen, &parts[SCREEN], NAME_MAX_LEN, NULL)) != WF_OK ||
        (st = data_member(ctx, &request.data, &parts[DATA])) != WF_OK ||
        (st = text_member(ctx, &request.flow_token, &parts[TOKEN], WF_FLOW_TOKEN_MAX, NULL)) !=
            WF_OK ||
        (st = text_member(ctx, &request.flow_token_signature, &parts[SIGNATURE],
                          4 * WF_FLOW_TOKEN_MAX, NULL)) != WF_OK) {
        return st;
    }
    request.screen = null_if_empty(request.screen);
    request.flow_token = null_if_empty(request.flow_token);
    request.flow_token_signature = null_if_empty(request.flow_token_signature);
    request.action = action_of(request.action_text, request.data);
    hash_request(ctx, &request);
    *out = request;
    return WF_OK;
}

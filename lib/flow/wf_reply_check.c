#include "flow/wf_engine_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- options of lists, rule 90 ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* An id that two options have, or NULL. */
static const char *twin_id(apr_pool_t *pool, const wf_json_t *list)
{
    size_t i, n = 0, len = wf_json_len(list);
    const char **ids = apr_palloc(pool, (len + 1) * sizeof(*ids));

    for (i = 0; i < len; i++) {
        const char *id = wf_json_get_str(wf_json_at(list, i), "id", NULL);
        if (id) {
            ids[n++] = id;
        }
    }
    qsort(ids, n, sizeof(*ids), by_text);
    for (i = 1; i < n; i++) {
        if (strcmp(ids[i - 1], ids[i]) == 0) {
            return ids[i];
        }
    }
    return NULL;
}

/* The bytes behind the longest base64 `image` of the list, 0 if there is none. */
static int64_t largest_image(const wf_json_t *list)
{
    size_t i, len, longest = 0;

    for (i = 0; i < wf_json_len(list); i++) {
        const wf_json_t *item = wf_json_at(list, i);
        const wf_json_t *image = wf_json_get(item, "image");
        if (!image) {
            image = wf_json_get(wf_json_get(item, "start"), "image");
        }
        len = wf_json_str_len(image);
        longest = len > longest ? len : longest;
    }
    return (int64_t)(longest / 4 * 3);
}

static const char *option_fault(wf_ctx_t *ctx, const char *key, const wf_json_t *limits,
                                const wf_json_t *list)
{
    int64_t count = (int64_t)wf_json_len(list), image = largest_image(list);
    int64_t max = wf_json_get_int(limits, image > 0 ? "max_with_image" : "max", INT64_MAX);
    const char *twin;

    if (count > max) {
        return apr_psprintf(ctx->pool,
                            "rule 90: %s has %" APR_INT64_T_FMT
                            " options where at most %" APR_INT64_T_FMT " are shown",
                            key, count, max);
    }
    if ((twin = twin_id(ctx->pool, list)) != NULL) {
        return apr_psprintf(ctx->pool, "rule 90: two options of %s have the id %s", key, twin);
    }
    /* Whether the phone draws these depends on its kind and on what is visible. */
    if (count < wf_json_get_int(limits, "min", 0)) {
        wf_log(ctx, WF_LOG_WARNING, WFLOGNO(0235) "rule 90: %s has too few options: %d", key,
               (int)count);
    }
    if (image > wf_json_get_int(limits, "image_max", INT64_MAX)) {
        wf_log(ctx, WF_LOG_WARNING, WFLOGNO(0236) "rule 90: an image in %s has %d bytes, too many",
               key, (int)image);
    }
    return NULL;
}

/* ---- data, rule 89 ---- */

/* `value` NULL: the key is not there. */
static const char *key_fault(wf_ctx_t *ctx, const char *key, const wf_json_t *declaration,
                             const wf_json_t *value)
{
    const wf_json_t *limits = wf_json_get(declaration, WF_DATA_OPTIONS);
    const char *fault;

    if (!value) {
        return apr_psprintf(ctx->pool, "rule 89: the declared key %s is missing", key);
    }
    if ((fault = wf_data_misfit(ctx->pool, key, declaration, value)) != NULL) {
        return apr_pstrcat(ctx->pool, "rule 89: ", fault, NULL);
    }
    return limits ? option_fault(ctx, key, limits, value) : NULL;
}

static const char *data_fault(wf_ctx_t *ctx, const wf_plan_t *plan, const wf_plan_screen_t *target,
                              const wf_json_t *data)
{
    const wf_json_t *model = wf_plan_screen_column(plan, target, WF_SCREEN_DATA);
    const wf_json_t *examples = wf_plan_screen_column_read(plan, target, WF_SCREEN_EXAMPLE);
    const wf_json_t *message = wf_json_get(data, "error_message");
    const char *fault;

    if (message && wf_json_str_len(message) == 0 && !wf_json_has(model, "error_message")) {
        return "1.10: error_message is no text or an empty one";
    }
    for (wf_json_iter_t it = wf_json_iter(data); wf_json_next(&it);) {
        if (!wf_json_has(model, it.key) && it.value != message) {
            return apr_psprintf(ctx->pool, "rule 89: %s is not declared by screen %s", it.key,
                                target->name);
        }
    }
    for (wf_json_iter_t it = wf_json_iter(model); wf_json_next(&it);) {
        const wf_json_t *value = wf_json_get(data, it.key);
        /* The plan's own example was checked when the flow was saved; an error_message is none of
         * the screen's data even where the screen declares one. */
        if (value && (value == wf_json_get(examples, it.key) || value == message)) {
            continue;
        }
        if ((fault = key_fault(ctx, it.key, it.value, value)) != NULL) {
            return fault;
        }
    }
    return NULL;
}

/* ---- whole answers ---- */

static const char *success_fault(const wf_flow_request_t *request, const wf_json_t *data)
{
    const wf_json_t *params =
        wf_json_get(wf_json_get(data, "extension_message_response"), "params");
    const wf_json_t *token = wf_json_get(params, "flow_token");

    if (wf_json_type(params) != WF_JSON_OBJECT) {
        return "rule 92: SUCCESS without an object extension_message_response.params";
    }
    if (request->flow_token
            ? !token || !wf_json_str(token) || strcmp(wf_json_str(token), request->flow_token) != 0
            : token != NULL) {
        return "rule 92: params.flow_token is not the request's flow_token";
    }
    return wf_json_has_null(params) ? "1.13: params hold null" : NULL;
}

static const char *way_fault(wf_ctx_t *ctx, const wf_plan_t *plan, const wf_flow_request_t *request,
                             const wf_plan_screen_t *from, const wf_plan_screen_t *target)
{
    if (request->action == WF_ACTION_INIT && request->screen &&
        strcmp(request->screen, target->name) != 0) {
        return apr_psprintf(ctx->pool, "rule 88: INIT asked for screen %s, the answer is %s",
                            request->screen, target->name);
    }
    if (!wf_plan_allows(plan, from, target)) {
        return apr_psprintf(ctx->pool, "rule 88: no way from %s to screen %s",
                            from ? from->name : "nowhere", target->name);
    }
    return NULL;
}

const char *wf_reply_check(wf_ctx_t *ctx, const wf_plan_t *plan, const wf_flow_request_t *request,
                           const wf_plan_screen_t *from, const wf_json_t *reply, size_t len)
{
    const char *name = wf_json_get_str(reply, "screen", NULL), *fault;
    const wf_json_t *data = wf_json_get(reply, "data");
    const wf_plan_screen_t *target;

    if (!name || wf_json_type(data) != WF_JSON_OBJECT) {
        return "1.10: an answer has a text screen and an object data";
    }
    if (len > WF_REPLY_MAX) {
        return "rule 91: the answer is over 10 MiB";
    }
    if (len > WF_REPLY_WARN) {
        wf_log(ctx, WF_LOG_WARNING, WFLOGNO(0237) "rule 91: the answer has %d bytes, over 1 MiB",
               (int)len);
    }
    if (strcmp(name, WF_SCREEN_SUCCESS) == 0) {
        return success_fault(request, data);
    }
    if (!(target = wf_plan_screen(plan, name))) {
        return apr_psprintf(ctx->pool, "rule 88: there is no screen %s", name);
    }
    fault = way_fault(ctx, plan, request, from, target);
    return fault ? fault : data_fault(ctx, plan, target, data);
}

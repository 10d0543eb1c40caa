#include "base/wf_base.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOG_LINE_MAX 2048
#define FAULTS_TEXT_MAX 2000

static const char *const status_names[] = {"ok",       "not found", "invalid",     "denied",
                                           "conflict", "limit",     "unavailable", "internal",
                                           "stale"};

const char *wf_status_name(wf_status_t status)
{
    if ((unsigned)status >= sizeof(status_names) / sizeof(status_names[0])) {
        return "unknown";
    }
    return status_names[status];
}

wf_ctx_t *wf_ctx_make(apr_pool_t *pool, const wf_log_t *log)
{
    wf_ctx_t *ctx = apr_pcalloc(pool, sizeof(*ctx));

    ctx->pool = pool;
    if (log) {
        ctx->log = *log;
    }
    ctx->request_id = "-";
    return ctx;
}

wf_ctx_t *wf_ctx_derive(const wf_ctx_t *ctx, apr_pool_t *pool)
{
    wf_ctx_t *copy = apr_pmemdup(pool, ctx, sizeof(*ctx));

    copy->pool = pool;
    wf_ctx_clear(copy);
    return copy;
}

void wf_ctx_clear(wf_ctx_t *ctx)
{
    memset(&ctx->err, 0, sizeof(ctx->err));
}

static wf_log_level_t level_of(wf_status_t status)
{
    switch (status) {
    case WF_EINVALID:
    case WF_EDENIED:
    case WF_ECONFLICT:
    case WF_ELIMIT:
    case WF_ESTALE:
        return WF_LOG_INFO;
    default:
        return WF_LOG_ERROR;
    }
}

/* The text after "WFnnnn: ", or all of it where there is no number. */
static const char *after_number(const char *detail)
{
    if (detail[0] == 'W' && detail[1] == 'F') {
        const char *colon = strstr(detail, ": ");
        if (colon) {
            return colon + 2;
        }
    }
    return detail;
}

static void log_line(const wf_ctx_t *ctx, wf_log_level_t level, const char *file, int line,
                     const char *text)
{
    if (ctx->log.fn && level <= ctx->log.max) {
        ctx->log.fn(level, file, line, text, ctx->log.baton);
    }
}

static wf_status_t fail(wf_ctx_t *ctx, wf_status_t status, const char *file, int line,
                        const char *text, int is_public)
{
    if (ctx->err.status == WF_OK) {
        ctx->err.status = status;
        ctx->err.detail = apr_pstrdup(ctx->pool, text);
        ctx->err.public_text = is_public ? after_number(ctx->err.detail) : NULL;
    }
    if (status != WF_ENOTFOUND) {
        log_line(ctx, level_of(status), file, line, text);
    }
    return status;
}

wf_status_t wf_fail_at(wf_ctx_t *ctx, wf_status_t status, const char *file, int line,
                       const char *fmt, ...)
{
    char text[LOG_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fail(ctx, status, file, line, text, 0);
}

wf_status_t wf_fail_public_at(wf_ctx_t *ctx, wf_status_t status, const char *file, int line,
                              const char *fmt, ...)
{
    char text[LOG_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fail(ctx, status, file, line, text, 1);
}

wf_status_t wf_fail_code_at(wf_ctx_t *ctx, wf_status_t status, const char *code, const char *file,
                            int line, const char *fmt, ...)
{
    char text[LOG_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (ctx->err.status == WF_OK) {
        ctx->err.code = code;
    }
    return fail(ctx, status, file, line, text, 1);
}

void wf_fault_add(wf_ctx_t *ctx, const char *pointer, const char *fmt, ...)
{
    wf_fault_t *fault;
    va_list ap;

    if (!ctx->err.faults) {
        ctx->err.faults = apr_array_make(ctx->pool, 4, sizeof(wf_fault_t));
    }
    if (ctx->err.faults->nelts >= WF_FAULTS_MAX) {
        return;
    }
    fault = apr_array_push(ctx->err.faults);
    fault->pointer = apr_pstrdup(ctx->pool, pointer);
    va_start(ap, fmt);
    fault->message = apr_pvsprintf(ctx->pool, fmt, ap);
    va_end(ap);
}

int wf_has_faults(const wf_ctx_t *ctx)
{
    return ctx->err.faults != NULL;
}

const char *wf_faults_text(const wf_ctx_t *ctx)
{
    wf_buf_t out;
    int i;

    wf_buf_init(&out, ctx->pool, 256, FAULTS_TEXT_MAX);
    for (i = 0; ctx->err.faults && i < ctx->err.faults->nelts; i++) {
        const wf_fault_t *fault = &APR_ARRAY_IDX(ctx->err.faults, i, const wf_fault_t);
        const char *name = fault->pointer + (fault->pointer[0] == '/');

        wf_buf_puts(&out, out.len ? "; " : "");
        if (*name) {
            wf_buf_puts(&out, name);
            wf_buf_puts(&out, ": ");
        }
        wf_buf_puts(&out, fault->message);
    }
    return out.data;
}

void wf_log_at(wf_ctx_t *ctx, wf_log_level_t level, const char *file, int line, const char *fmt,
               ...)
{
    char text[LOG_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_line(ctx, level, file, line, text);
}

apr_time_t wf_now(const wf_ctx_t *ctx)
{
    return ctx->clock ? ctx->clock(ctx->clock_baton) : apr_time_now();
}

apr_time_t wf_monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (apr_time_t)t.tv_sec * APR_USEC_PER_SEC + t.tv_nsec / 1000;
}

apr_interval_time_t wf_time_left(const wf_ctx_t *ctx, apr_interval_time_t otherwise)
{
    apr_interval_time_t left;

    if (ctx->deadline == 0) {
        return otherwise;
    }
    left = ctx->deadline - wf_now(ctx);
    if (left < 0) {
        return 0;
    }
    return left < otherwise ? left : otherwise;
}

char *wf_time_format(apr_pool_t *pool, apr_time_t t)
{
    apr_time_exp_t e;

    apr_time_exp_gmt(&e, t);
    return apr_psprintf(pool, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", e.tm_year + 1900, e.tm_mon + 1,
                        e.tm_mday, e.tm_hour, e.tm_min, e.tm_sec, e.tm_usec / 1000);
}

wf_status_t wf_rand_bytes(wf_ctx_t *ctx, void *out, size_t len)
{
    apr_status_t rv = apr_generate_random_bytes(out, len);

    if (rv != APR_SUCCESS) {
        memset(out, 0, len);
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0001) "no random bytes from the kernel: %d", rv);
    }
    return WF_OK;
}

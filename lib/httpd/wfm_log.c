#include "httpd/wfm.h"

/* Two steps, so that WFM_MODULE is expanded before its name is pasted. */
#define USE_MODULE_OF(name) APLOG_USE_MODULE(name)
USE_MODULE_OF(WFM_MODULE);

typedef struct {
    request_rec *r;
    const char *request_id;
} request_baton_t;

static void log_request(wf_log_level_t level, const char *file, int line, const char *message,
                        void *baton)
{
    const request_baton_t *b = baton;

    ap_log_rerror_(file, line, APLOG_MODULE_INDEX, (int)level, 0, b->r, "%s [request %s]", message,
                   b->request_id);
}

static void log_server(wf_log_level_t level, const char *file, int line, const char *message,
                       void *baton)
{
    ap_log_error_(file, line, APLOG_MODULE_INDEX, (int)level, 0, (server_rec *)baton, "%s",
                  message);
}

wf_ctx_t *wfm_ctx_make(request_rec *r, const char *request_id)
{
    request_baton_t *baton = apr_palloc(r->pool, sizeof(*baton));
    wf_log_t log = {0};
    wf_ctx_t *ctx;

    baton->r = r;
    baton->request_id = request_id ? request_id : "-";
    log.max = (wf_log_level_t)ap_get_request_module_loglevel(r, APLOG_MODULE_INDEX);
    log.fn = log_request;
    log.baton = baton;
    ctx = wf_ctx_make(r->pool, &log);
    ctx->request_id = baton->request_id;
    return ctx;
}

wf_ctx_t *wfm_ctx_server(apr_pool_t *pool, server_rec *s)
{
    wf_log_t log = {0};

    log.max = (wf_log_level_t)ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX);
    log.fn = log_server;
    log.baton = s;
    return wf_ctx_make(pool, &log);
}

void wfm_startup_error(const char *fmt, ...)
{
    char text[MAX_STRING_LEN];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, NULL, "%s", text);
}

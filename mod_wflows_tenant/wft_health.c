#include "wft.h"

#include "json/wf_json.h"

#include <string.h>

APLOG_USE_MODULE(wflows_tenant);

/* A load balancer gives up after a second or two: an answer that says "down" must come before. */
#define PROBE_TIMEOUT apr_time_from_sec(1)

static int json_reply(request_rec *r, int http_status, const wf_json_t *body)
{
    size_t len;
    const char *text = wf_json_text(r->pool, body, &len);

    return wfm_text_reply(r, http_status, "application/json", text, len);
}

static void add_check(apr_pool_t *pool, wf_json_t *checks, const char *name, int ok)
{
    wf_json_t *check = wf_json_object_make(pool);

    wf_json_set_str(check, "status", ok ? "ok" : "down");
    wf_json_set(checks, name, check);
}

/* The reasons are for the log: they name hosts. */
static void log_reasons(request_rec *r, const wfm_request_t *req, const wf_health_t *health)
{
    wf_ctx_t *ctx = wfm_ctx_make(r, req->request_id);

    if (health->postgres_error) {
        wf_log(ctx, WF_LOG_INFO, WFLOGNO(1030) "PostgreSQL: %s", health->postgres_error);
    }
    if (health->redis_error) {
        wf_log(ctx, WF_LOG_INFO, WFLOGNO(1031) "Redis: %s", health->redis_error);
    }
}

/* PostgreSQL holds everything: without it, or with a schema older than this build, no. Redis is the
 * cache: without it, degraded (DESIGN.md section 5). */
static int ready_reply(request_rec *r, const wfm_request_t *req)
{
    wf_runtime_t *runtime = wft_runtime();
    wf_json_t *body = wf_json_object_make(r->pool), *checks = wf_json_object_make(r->pool);
    wf_health_t health = {0};
    int schema_ok, up;

    if (runtime) {
        wf_health_check(wfm_ctx_make(r, req->request_id), &health, runtime, PROBE_TIMEOUT);
        log_reasons(r, req, &health);
    }
    schema_ok = health.postgres_ok && health.schema_version >= health.schema_needed;
    up = runtime && schema_ok;
    wf_json_set_str(body, "status", !up ? "down" : health.redis_ok ? "ok" : "degraded");
    wf_json_set_str(body, "version", WF_VERSION);
    add_check(r->pool, checks, "postgresql", health.postgres_ok);
    add_check(r->pool, checks, "redis", health.redis_ok);
    add_check(r->pool, checks, "schema", schema_ok);
    wf_json_set_int(wf_json_get(checks, "schema"), "version", health.schema_version);
    wf_json_set_int(wf_json_get(checks, "schema"), "needed", WF_SCHEMA_VERSION_NEEDED);
    wf_json_set(body, "checks", checks);
    return json_reply(r, up ? HTTP_OK : HTTP_SERVICE_UNAVAILABLE, body);
}

/* "/health/live", wherever the operator has put "/health". */
static int is_live(const char *uri)
{
    static const char live[] = "/live";
    size_t len = strlen(uri);

    return len >= sizeof(live) - 1 && strcmp(uri + len - (sizeof(live) - 1), live) == 0;
}

int wft_health_reply(request_rec *r, const wfm_request_t *req)
{
    wf_json_t *body;

    if (!is_live(r->uri)) {
        return ready_reply(r, req);
    }
    body = wf_json_object_make(r->pool);
    wf_json_set_str(body, "status", "ok");
    return json_reply(r, HTTP_OK, body);
}

/* SetHandler wflows-health and wflows-metrics: for servers that have the two elsewhere, or turn
 * tenants on in other places only. */
static wfm_place_t place_of_handler(const request_rec *r)
{
    if (r->handler && strcmp(r->handler, WFT_HEALTH_HANDLER) == 0) {
        return WFM_PLACE_HEALTH;
    }
    if (r->handler && strcmp(r->handler, WFT_METRICS_HANDLER) == 0) {
        return WFM_PLACE_METRICS;
    }
    return WFM_PLACE_NONE;
}

int wft_handler(request_rec *r)
{
    wfm_place_t place = wft_is_ours(r) ? wft_request(r)->place : place_of_handler(r);
    wfm_refusal_t refusal = {.problem = WFM_NOT_FOUND};
    wfm_request_t *req;

    if (place == WFM_PLACE_NONE) {
        return DECLINED;
    }
    req = wft_request_make(r);
    req->place = place;
    wft_request_export(r, req);
    refusal.request_id = req->request_id;
    if (place != WFM_PLACE_HEALTH && place != WFM_PLACE_METRICS &&
        place != WFM_PLACE_COMPANY_METRICS) {
        return wfm_problem_reply(r, &refusal);
    }
    if (r->method_number != M_GET) {
        refusal.problem = WFM_METHOD;
        refusal.allow = "GET, HEAD";
        return wfm_problem_reply(r, &refusal);
    }
    switch (place) {
    case WFM_PLACE_HEALTH:
        return wft_health_reply(r, req);
    case WFM_PLACE_COMPANY_METRICS:
        return wft_company_metrics_reply(r, req);
    default:
        return wft_metrics_reply(r, req);
    }
}

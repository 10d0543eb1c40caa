#include "wft.h"

#include <apr_shm.h>
#include <string.h>

#include <ap_mpm.h>
#include <mod_status.h>

APLOG_USE_MODULE(wflows_tenant);

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TEXT_MAX (256 * 1024)
#define POOL_KEY "wflows_metrics"
/* Beside the children that serve there may be as many of the generation before that still finish.
 */
#define GENERATIONS 2

/* The memory is kept over graceful restarts, by builds that agree on what it looks like. */
typedef struct {
    size_t size;
    size_t metrics_size;
    int slots;
    wf_metrics_t metrics;
    /* a wft_children_t follows */
} block_t;

#define CHILDREN_OFFSET ((sizeof(block_t) + 63) / 64 * 64)

static block_t *block;

wf_metrics_t *wft_metrics(void)
{
    return block ? &block->metrics : NULL;
}

wft_children_t *wft_metrics_children(void)
{
    return block ? (wft_children_t *)((char *)block + CHILDREN_OFFSET) : NULL;
}

/* Private to the process and its children: no name, no file. */
static apr_status_t make_block(block_t **out, apr_pool_t *pool, size_t size, int slots)
{
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, size, NULL, pool);

    *out = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *out = apr_shm_baseaddr_get(shm);
    memset(*out, 0, size);
    (*out)->size = size;
    (*out)->metrics_size = sizeof(wf_metrics_t);
    (*out)->slots = slots;
    return apr_pool_userdata_set(*out, POOL_KEY, NULL, pool);
}

int wft_metrics_open(server_rec *s)
{
    apr_pool_t *pool = s->process->pool;
    void *kept = NULL;
    int slots = 0;
    size_t size;
    apr_status_t rv;

    if (ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &slots) != APR_SUCCESS || slots < 1) {
        slots = 1;
    }
    slots *= GENERATIONS;
    size = CHILDREN_OFFSET + wft_children_size(slots);
    (void)apr_pool_userdata_get(&kept, POOL_KEY, pool);
    block = kept;
    if (block && block->size == size && block->metrics_size == sizeof(wf_metrics_t)) {
        return OK;
    }
    rv = make_block(&block, pool, size, slots);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                     WFLOGNO(1040) "no shared memory of %" APR_SIZE_T_FMT " bytes for the metrics",
                     size);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    wft_children_init(wft_metrics_children(), slots);
    return OK;
}

/* ---- counting
 * ---------------------------------------------------------------------------------------------------
 */

static int route_of(wf_route_t *route, const wfm_request_t *req)
{
    switch (req->place) {
    case WFM_PLACE_ENDPOINT:
        *route = WF_ROUTE_ENDPOINT;
        return 1;
    case WFM_PLACE_STRIPE:
    case WFM_PLACE_WEBHOOK:
        *route = WF_ROUTE_WEBHOOK;
        return 1;
    case WFM_PLACE_HEALTH:
        *route = WF_ROUTE_HEALTH;
        return 1;
    case WFM_PLACE_METRICS:
    case WFM_PLACE_COMPANY_METRICS:
        *route = WF_ROUTE_METRICS;
        return 1;
    case WFM_PLACE_API:
        *route = WF_ROUTE_ADMIN;
        return 1;
    case WFM_PLACE_UNKNOWN:
    case WFM_PLACE_GATEWAY:
        *route = WF_ROUTE_OTHER;
        return 1;
    case WFM_PLACE_NONE:
        break;
    }
    *route = WF_ROUTE_OTHER;
    return 0;
}

/* The request's pool is going: memory only, no server is asked. */
int wft_log_transaction(request_rec *r)
{
    const wfm_request_t *req = wft_request(r);
    wf_runtime_t *runtime;
    wf_route_t route;

    if (!req || !block || !route_of(&route, req)) {
        return DECLINED;
    }
    while (r->next) {
        r = r->next; /* the status is that of what was sent at last */
    }
    wf_metrics_request(&block->metrics, route, r->status, apr_time_now() - r->request_time);
    runtime = wft_runtime_now();
    if (runtime) {
        wft_child_slot_update(runtime);
    }
    return OK;
}

/* ---- showing
 * ------------------------------------------------------------------------------------------------------
 */

int wft_metrics_reply(request_rec *r, const wfm_request_t *req)
{
    wf_runtime_t *runtime = wft_runtime();
    wf_buf_t out;

    if (runtime) {
        wft_child_slot_update(runtime);
    }
    wf_buf_init(&out, r->pool, 16 * 1024, METRICS_TEXT_MAX);
    if (block) {
        wf_metrics_format(&out, &block->metrics);
        wft_children_format(&out, wft_metrics_children());
    }
    return wfm_text_reply(r, HTTP_OK, PROMETHEUS_TYPE, out.data, out.len);
}

/* WFM_PROBLEM_COUNT: they may. */
static wfm_problem_t problem_of(const wfm_identity_t *identity, const wf_company_t *company)
{
    switch (identity->verdict) {
    case WFM_IDENTITY_OK:
        break;
    case WFM_IDENTITY_NONE:
    case WFM_IDENTITY_BAD:
        return WFM_UNAUTHORIZED;
    case WFM_IDENTITY_ELSEWHERE:
        return WFM_FORBIDDEN;
    case WFM_IDENTITY_AMBIGUOUS:
        return WFM_BAD_REQUEST;
    case WFM_IDENTITY_LIMITED:
        return WFM_LIMITED;
    case WFM_IDENTITY_UNAVAILABLE:
        return WFM_UNAVAILABLE;
    }
    if (!wf_identity_sees_company(identity->who, company->id)) {
        return WFM_NOT_FOUND;
    }
    return wf_identity_may(identity->who, WF_ROLE_LEITURA, WF_READ(WF_AREA_METRICS))
               ? WFM_PROBLEM_COUNT
               : WFM_FORBIDDEN;
}

int wft_company_metrics_reply(request_rec *r, const wfm_request_t *req)
{
    const wf_company_t *company = &req->admission.tenant->company;
    const wfm_identity_t *identity = wft_identity(r);
    wfm_refusal_t refusal = {.request_id = req->request_id, .limit = &identity->limit};
    wf_runtime_t *runtime = wft_runtime();
    wf_ctx_t *ctx = wfm_ctx_make(r, req->request_id);
    wf_buf_t out;

    refusal.problem = runtime ? problem_of(identity, company) : WFM_UNAVAILABLE;
    if (refusal.problem == WFM_UNAUTHORIZED) {
        apr_table_setn(r->err_headers_out, "WWW-Authenticate", "Bearer realm=\"wflows\"");
    }
    if (refusal.problem != WFM_PROBLEM_COUNT) {
        return wfm_problem_reply(r, &refusal);
    }
    wf_buf_init(&out, r->pool, 4096, METRICS_TEXT_MAX);
    if (wf_tally_format(ctx, &out, &runtime->store, company) != WF_OK) {
        refusal.problem = WFM_UNAVAILABLE;
        return wfm_problem_reply(r, &refusal);
    }
    return wfm_text_reply(r, HTTP_OK, PROMETHEUS_TYPE, out.data, out.len);
}

static uint64_t requests(wf_route_t route, int answered)
{
    uint64_t sum = 0;
    int status;

    /* The first of the statuses is 200. */
    for (status = answered ? 0 : 1; status < (answered ? 1 : WF_METRIC_STATUSES); status++) {
        sum += atomic_load(&block->metrics.requests[route][status]);
    }
    return sum;
}

static void write_status(request_rec *r, int is_short)
{
    const struct {
        const char *key, *words;
        uint64_t value;
    } rows[] = {
        {"FlowExchangesAnswered", "Flow requests answered with 200",
         requests(WF_ROUTE_ENDPOINT, 1)},
        {"FlowExchangesRefused", "Flow requests answered otherwise",
         requests(WF_ROUTE_ENDPOINT, 0)},
        {"FlowPostgresOpen", "PostgreSQL connections open", wft_children_sum(WFT_PG_OPEN)},
        {"FlowPostgresBreakers", "Processes that do without PostgreSQL",
         wft_children_sum(WFT_PG_BREAKERS)},
        {"FlowRedisOpen", "Redis connections open", wft_children_sum(WFT_REDIS_OPEN)},
        {"FlowRedisBreakers", "Processes that do without Redis",
         wft_children_sum(WFT_REDIS_BREAKERS)},
    };
    size_t i;

    if (!is_short) {
        ap_rputs("<hr>\n<h2>wflows</h2>\n<dl>\n", r);
    }
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ap_rprintf(
            r, is_short ? "%s: %" APR_UINT64_T_FMT "\n" : "<dt>%s: %" APR_UINT64_T_FMT "</dt>\n",
            is_short ? rows[i].key : rows[i].words, rows[i].value);
    }
    if (!is_short) {
        ap_rputs("</dl>\n", r);
    }
}

/* A section of mod_status' page, or of its text for machines (?auto). */
int wft_status_hook(request_rec *r, int flags)
{
    if (!block) {
        return DECLINED;
    }
    write_status(r, (flags & AP_STATUS_SHORT) != 0);
    return OK;
}

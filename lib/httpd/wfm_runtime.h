/* The contract between the modules: what mod_wflows_tenant owns and hands to the others by optional
 * functions (STYLE.md 3.6). All modules come from one build: a caller names the ABI it was compiled
 * with and gets NULL where the owner was compiled with another. */
#ifndef WFM_RUNTIME_H
#define WFM_RUNTIME_H

#include "runtime/wf_runtime.h"
#include "tenant/wf_identity.h"

#include <apr_optional.h>
#include <httpd.h>

/* Raised with any change of a struct that crosses the border between two modules. */
#define WFM_ABI 6u

/* Which of wflows' routes a request is on (DESIGN.md section 3). */
typedef enum {
    WFM_PLACE_NONE = 0, /* not ours */
    WFM_PLACE_UNKNOWN,  /* under a prefix of ours, but no route: 404 */
    WFM_PLACE_HEALTH,
    WFM_PLACE_METRICS,
    WFM_PLACE_STRIPE, /* /webhooks/stripe */
    WFM_PLACE_ENDPOINT, /* …/flows/endpoint[/{flowName}] */
    WFM_PLACE_WEBHOOK,  /* …/webhooks/whatsapp: also of a company or account that is not active */
    WFM_PLACE_COMPANY_METRICS, /* /company/{slug}/metrics */
    WFM_PLACE_API,      /* /api/v2 and below: `rest` is what follows */
    WFM_PLACE_GATEWAY   /* /company/{slug}/…: whatever handler or proxy is configured there */
} wfm_place_t;

/* ---- who calls ------------------------------------------------------------------------------ */

typedef enum {
    WFM_IDENTITY_OK,
    WFM_IDENTITY_NONE,       /* no credentials: 401 */
    WFM_IDENTITY_BAD,        /* wrong, expired, revoked: 401, and the reply does not say which */
    WFM_IDENTITY_AMBIGUOUS,  /* a person of several companies who names none with X-Tenant: 400 */
    WFM_IDENTITY_ELSEWHERE,  /* X-Tenant names a company that is not the caller's: 403 */
    WFM_IDENTITY_LIMITED,    /* 429 */
    WFM_IDENTITY_UNAVAILABLE /* could not be found out: 503 */
} wfm_identity_verdict_t;

typedef struct {
    wfm_identity_verdict_t verdict;
    const wf_identity_t *who; /* with OK; with AMBIGUOUS too, of no company and no role */
    wf_admission_t limit;     /* of the caller's own rate, limit_scope NULL: none; when to try again */
} wfm_identity_t;

/* Attached to each request that mod_wflows_tenant has looked at; lives as long as the request. */
typedef struct {
    const char *request_id;
    const char *trace_id; /* 32 hex digits of the W3C traceparent */
    wfm_place_t place;
    const char *slug;      /* NULL: no tenant named */
    const char *account;   /* as named by path, header or query; NULL: the default account */
    const char *rest;      /* of the path, after the tenant; begins with '/' or is empty */
    const char *flow_name; /* ENDPOINT; NULL: not named */
    int flow_version;      /* 0: not pinned */
    int admitted;          /* 1: `admission` holds a tenant that is served */
    wf_admission_t admission;
    const wfm_identity_t *identity; /* NULL: nobody has asked who calls */
} wfm_request_t;

/* The one runtime of this child process. NULL: another ABI, or it could not be made (logged; tried
 * again by later calls). */
APR_DECLARE_OPTIONAL_FN(wf_runtime_t *, wflows_runtime_get, (unsigned abi));
/* From check_config to child_init: the configuration the runtime will be made from, for the modules
 * to fill their part of. `s` is the main server. NULL: another ABI. */
APR_DECLARE_OPTIONAL_FN(wf_conf_t *, wflows_conf_get, (unsigned abi, server_rec *s));
/* NULL: not a request of ours. */
APR_DECLARE_OPTIONAL_FN(const wfm_request_t *, wflows_request_get, (request_rec * r));
/* Authenticates the request by what it carries (DESIGN.md section 9), once: the answer is kept with it. */
APR_DECLARE_OPTIONAL_FN(const wfm_identity_t *, wflows_identity_get, (request_rec * r));

#endif

#include "wff.h"

APLOG_USE_MODULE(wflows_flows);

/* The only handler hook: mod_wflows_tenant asks to come after this module, and httpd's sort orders it after
 * the first hook of that name only. */
int wff_handler(request_rec *r)
{
    const wfm_request_t *req = wff_request(r);

    if (!req) {
        return DECLINED;
    }
    switch (req->place) {
    case WFM_PLACE_ENDPOINT:
        return wff_endpoint(r, req);
    case WFM_PLACE_STRIPE:
        return wff_stripe(r, req);
    case WFM_PLACE_WEBHOOK:
        return wff_webhook(r, req);
    case WFM_PLACE_NONE:
    case WFM_PLACE_UNKNOWN:
    case WFM_PLACE_HEALTH:
    case WFM_PLACE_METRICS:
    case WFM_PLACE_COMPANY_METRICS:
    case WFM_PLACE_API:
    case WFM_PLACE_GATEWAY:
        break;
    }
    return DECLINED;
}

/* L5: what is cached of a company, on an operator's word. */
#ifndef WF_CACHE_H
#define WF_CACHE_H

#include "service/wf_service.h"

/* Forgets the company's contexts and plans: the next request reads them from PostgreSQL. *out: {"accounts", "flows"},
 * how many there were to forget. WF_EUNAVAIL: Redis did not do it. */
wf_status_t wf_cache_clear(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                           const char *company_id) WF_MUST_CHECK;
/* Reads them in, as the first requests would. */
wf_status_t wf_cache_warm(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                          const char *company_id) WF_MUST_CHECK;

#endif

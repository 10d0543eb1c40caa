/* L5: what each company's traffic is counted by, for its own metrics (DESIGN.md sections 3 and 10). Counted in memory,
 * written to Redis every few seconds: the company's figures are those of all servers. */
#ifndef WF_TALLY_H
#define WF_TALLY_H

#include "store/wf_store.h"

typedef struct wf_tally_t wf_tally_t;

wf_status_t wf_tally_make(wf_ctx_t *ctx, wf_tally_t **out, apr_pool_t *pool) WF_MUST_CHECK;
/* `name` is a metric, `labels` what stands in its braces after the tenant. Any thread; does nothing for a NULL
 * tally. What would be too many different ones between two flushes is not counted. */
void wf_tally_add(wf_tally_t *tally, const wf_company_t *company, const char *name,
                  const char *labels, int64_t n);
/* Writes what was counted; what could not be written is kept for the next time. */
void wf_tally_flush(wf_ctx_t *ctx, wf_tally_t *tally, const wf_store_t *store);
/* The company's figures as Prometheus text. WF_EUNAVAIL. */
wf_status_t wf_tally_format(wf_ctx_t *ctx, wf_buf_t *out, const wf_store_t *store,
                            const wf_company_t *company) WF_MUST_CHECK;
/* A label's value, quoted as Prometheus wants it. */
const char *wf_tally_label(apr_pool_t *pool, const char *name, const char *value);

#endif

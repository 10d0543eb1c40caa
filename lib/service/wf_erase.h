/* L5: erasing a company: the background job, and the report that it ends with. Asking for it and looking at it:
 * wf_erase_store.h. */
#ifndef WF_ERASE_H
#define WF_ERASE_H

#include "service/wf_service.h"

/* One short piece of work on each erasure that is not done; *done: rows, keys and files that are gone by it. *more 0:
 * there is nothing to do just now. */
wf_status_t wf_erase_turn(wf_ctx_t *ctx, int *done, int *more,
                          const wf_service_t *service) WF_MUST_CHECK;

/* What a report says, if this installation signed it: {company_id, requested_at, erased_at, finished_at, removed,
 * audit: {seq, hash}}. Failures as wf_ring_check. */
wf_status_t wf_erase_report_read(wf_ctx_t *ctx, wf_json_t **out, const wf_keyring_t *ring,
                                 const char *report) WF_MUST_CHECK;

#endif

/* Inside lib/service: handing a step to the writer. */
#ifndef WF_STEP_WRITER_INT_H
#define WF_STEP_WRITER_INT_H

#include "service/wf_service.h"

/* A request that may bring a step begins (+1) or ends, or waits for something slow (-1): the writer waits a
 * little for the others of those before it commits. */
void wf_step_writer_expect(wf_step_writer_t *writer, int change);
/* For an expected request. Waits until the step's group is committed (or was refused); returns step->status. */
wf_status_t wf_step_writer_commit(wf_ctx_t *ctx, wf_step_writer_t *writer,
                                  wf_step_t *step) WF_MUST_CHECK;
/* One more message of this company; flushed to usage_counters every few seconds and at the end. */
void wf_step_writer_count(wf_step_writer_t *writer, const char *company_id);

#endif

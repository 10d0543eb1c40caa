/* Inside lib/service: the parts of wf_intake. */
#ifndef WF_INTAKE_INT_H
#define WF_INTAKE_INT_H

#include "service/wf_intake.h"

/* WF_OK: a secret of the accounts concerned signed the raw bytes. WF_EDENIED: none did; *secrets: how many
 * there were to try. WF_EUNAVAIL. */
wf_status_t wf_intake_signature(wf_ctx_t *ctx, int *secrets, const wf_service_t *service,
                                const wf_intake_in_t *in) WF_MUST_CHECK;

#endif

/* L5: four eyes. A change that a company wants a second person's yes for ends with the code WF_APPROVAL_NEEDED, wherever
 * in the stores it was asked for (wf_change_approve) and before anything was done. The caller then writes the whole
 * request down here; a second person opens it, and the caller carries it out as if it had come just now, with the
 * approval as part of its actor: the change decides it in its own transaction, so it is done once. */
#ifndef WF_APPROVAL_H
#define WF_APPROVAL_H

#include "service/wf_service.h"
#include "store/wf_approval_store.h"

#define WF_APPROVAL_PARAMS_MAX 4

/* A request to the API. */
typedef struct {
    const char *operation;
    const char *summary; /* of it, for people */
    const char *params[WF_APPROVAL_PARAMS_MAX]; /* of its path; NULL ends them */
    const char *if_match;
    const char *query; /* the query string; NULL: none */
    wf_slice_t body;   /* its text; data NULL: none */
} wf_approval_call_t;

/* 1 if the failure in ctx->err says that a second person has to agree. */
int wf_approval_is_needed(const wf_ctx_t *ctx);
/* Writes the request down, sealed; *doc is the approval. `resource_id`: what it changes; NULL. */
wf_status_t wf_approval_request(wf_ctx_t *ctx, wf_json_t **doc, const wf_service_t *service,
                                const char *company_id, const wf_approval_call_t *call,
                                const char *resource_id, const wf_actor_t *actor) WF_MUST_CHECK;
/* What was asked for; `use` becomes the actor's. Failures as wf_approval_open. */
wf_status_t wf_approval_load(wf_ctx_t *ctx, wf_approval_call_t *call, wf_approval_use_t *use,
                             const wf_service_t *service, const char *company_id, const char *id,
                             const wf_actor_t *actor) WF_MUST_CHECK;

#endif

/* L4: approvals: changes that wait for a second person's yes (four eyes). Where the plan has it and the company's
 * settings say "require_approvals": true, what asks wf_change_approve is not done by one person alone. */
#ifndef WF_APPROVAL_STORE_H
#define WF_APPROVAL_STORE_H

#include "store/wf_store.h"

/* The code of a failure that becomes a request for approval. */
#define WF_APPROVAL_NEEDED "approval_needed"

#define WF_APPROVAL_LIFETIME apr_time_from_sec(7 * 86400)

/* What is asked for. */
typedef struct {
    const char *operation;   /* the name of the API's route, "account_update" */
    const char *resource_id; /* NULL: none */
    const char *request;     /* JSON for people: without a secret */
    const char *sealed;      /* all of it, in clear; sealed on its way in */
} wf_approval_new_t;

/* Writes it down; *doc as the API shows it. WF_ELIMIT: too many wait already. */
wf_status_t wf_approval_add(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                            const wf_keyring_t *ring, const char *company_id,
                            const wf_approval_new_t *approval, const wf_actor_t *actor) WF_MUST_CHECK;
wf_status_t wf_approval_find(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                             const char *company_id, const char *id) WF_MUST_CHECK;

/* An approval that waits, as it is to be carried out. */
typedef struct {
    wf_approval_use_t use;
    const char *operation;
    wf_secret_t sealed; /* opened */
} wf_approval_order_t;

/* Whether `actor` may agree to it, and what it is; nothing is decided yet. WF_ENOTFOUND; WF_ECONFLICT: it is decided
 * or its time is over; WF_EDENIED: asked for by the actor. */
wf_status_t wf_approval_open(wf_ctx_t *ctx, wf_approval_order_t *out, const wf_store_t *store,
                             const wf_keyring_t *ring, const char *company_id, const char *id,
                             const wf_actor_t *actor) WF_MUST_CHECK;

typedef enum { WF_APPROVAL_APPROVE, WF_APPROVAL_REJECT, WF_APPROVAL_CANCEL } wf_approval_verdict_t;

/* Decides it without any other change. `body`: {"reason"}, needed to reject. A second person approves or rejects, who
 * asked cancels; failures as wf_approval_open. */
wf_status_t wf_approval_decide(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                               const char *id, wf_approval_verdict_t verdict, const wf_json_t *body,
                               const wf_actor_t *actor) WF_MUST_CHECK;

/* Those whose time is over; *done: how many. */
wf_status_t wf_approvals_expire(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                                int max) WF_MUST_CHECK;

#endif

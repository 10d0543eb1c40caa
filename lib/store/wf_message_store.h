/* L4: flow messages that we send. What was sent once for a key is not sent again. */
#ifndef WF_MESSAGE_STORE_H
#define WF_MESSAGE_STORE_H

#include "store/wf_store.h"

typedef struct {
    const char *company_id, *account_id, *flow_id;
    const char *kind;       /* "interactive", "template" */
    const char *token_hash; /* hex */
    const char *send_key;   /* NULL: nothing keeps it from being sent twice */
    const apr_array_header_t *contacts;   /* const char *: the person, in every spelling */
    const apr_array_header_t *categories; /* const char *: an opt-out of any of these forbids it */
} wf_message_new_t;

typedef struct {
    const char *id;
    const char *message_id; /* Meta's; NULL: it is to be sent now */
    const char *account_id, *flow_id;
} wf_message_t;

/* With its audit row. *out without message_id: send it, then wf_message_end; with: it was sent before for this key.
 * WF_ECONFLICT: "opted_out"; "send_in_progress"; "send_unknown" (nobody knows whether it was sent for this key). */
wf_status_t wf_message_begin(wf_ctx_t *ctx, wf_message_t *out, const wf_store_t *store,
                             const wf_message_new_t *message, const wf_actor_t *actor) WF_MUST_CHECK;

typedef enum { WF_MESSAGE_SENT, WF_MESSAGE_FAILED, WF_MESSAGE_UNKNOWN } wf_message_end_t;
/* `message_id`: with SENT, so that an answer that names it finds its session; `error_code`: with the others. */
wf_status_t wf_message_end(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *id, wf_message_end_t end, const char *message_id,
                           const char *error_code) WF_MUST_CHECK;

#endif

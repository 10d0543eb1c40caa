/* L3, pure: what Meta posts to a webhook (WHATSAPP.md section 4), as a list of events. Nothing that is JSON is
 * refused: what has no shape we know is one event of type "unknown". */
#ifndef WF_WA_EVENT_H
#define WF_WA_EVENT_H

#include "base/wf_base.h"
#include "json/wf_json.h"

/* Nesting beyond this is not taken for JSON. */
#define WF_WA_DEPTH 256
/* Meta promises at most 1000 updates in one POST. With more events than this, or with texts that would grow to
 * more than this many bytes by being told once per event, the whole POST is one event of type "unknown". */
#define WF_WA_EVENTS_MAX 4000
#define WF_WA_PAYLOADS_MAX ((size_t)16 * 1024 * 1024)
/* Ids are 70 bytes or so. A longer one stays in the payload and is not looked up by. */
#define WF_WA_ID_MAX 256
#define WF_WA_TYPE_MAX 64

#define WF_WA_FLOW_COMPLETED "flow_completed"
#define WF_WA_UNKNOWN_TYPE "unknown"

typedef enum {
    WF_WA_MESSAGE,    /* somebody wrote to us; with is_flow_reply: finished a flow */
    WF_WA_STATUS,     /* what became of a message of ours */
    WF_WA_FLOW,       /* field "flows": the health of a flow */
    WF_WA_PREFERENCE, /* field "user_preferences": stop or resume */
    WF_WA_OTHER,      /* any other field */
    WF_WA_UNKNOWN,    /* no field, or no shape we know */
    WF_WA_KIND_COUNT
} wf_wa_kind_t;

/* Texts are NUL-terminated, of the ctx's pool or of the body's tree; NULL: not told, or not usable as
 * text (a NUL in it, too long). */
typedef struct {
    wf_wa_kind_t kind;
    const char *event_type; /* ^[a-z0-9_.-]{1,64}$, see wf_wa_events_parse */
    const char *dedup_key;  /* the same for a repetition, different for anything else; at most 512 bytes */
    wf_slice_t payload;     /* JSON: the event in its context, in the letters it came in */
    const char *waba_id, *phone_number_id;
    apr_time_t at;          /* when it happened, as Meta says; 0: not told */
    const char *message_id; /* MESSAGE: its own; STATUS: of the message it is about */
    const char *context_id; /* MESSAGE: the message it answers */
    const char *contact;    /* wa_id or telephone number, else the business-scoped user id */
    const char *status;     /* STATUS: in lower case; PREFERENCE: "stop", "resume" …; FLOW: the event, in lower case */
    const char *flow_id;    /* FLOW: Meta's */
    const char *category;   /* PREFERENCE: ^[a-z][a-z0-9_-]{0,31}$ */
    int is_flow_reply;
    /* With is_flow_reply. The answers: what response_json holds, as a tree (NULL where it holds no JSON) and as
     * JSON text. Written by the user's phone: not to be trusted. */
    const char *flow_token;
    wf_json_t *response;
    wf_slice_t response_text;
} wf_wa_event_t;

/* The events of one POST, in its order (of wf_wa_event_t); at least one. They point into `body`. Expected failure:
 * WF_EINVALID: not JSON.
 *
 * event_type: "flow_completed"; "message.<type>" ("message.interactive.<type>"); "status.<status>";
 * "flow.<event>"; else "<field>" or "<field>.<event>"; "unknown". All in lower case, other characters as
 * '_'. */
wf_status_t wf_wa_events_parse(wf_ctx_t *ctx, apr_array_header_t **events, const char *body,
                               size_t len) WF_MUST_CHECK;

/* The whole POST as one event of type "unknown", its bytes in base64: for what the database does not take. */
void wf_wa_event_raw(wf_ctx_t *ctx, wf_wa_event_t *out, const char *body, size_t len);

#endif

/* L4: lists in pages, for the API and its exports. A page begins behind the last row of the one before (a keyset
 * cursor), so that it costs the same however long the list is and nothing is seen twice when rows come in between. */
#ifndef WF_LIST_H
#define WF_LIST_H

#include "store/wf_store.h"

#define WF_LIST_LIMIT_DEFAULT 20
#define WF_LIST_LIMIT_MAX 100
#define WF_LIST_FILTERS_MAX 12

typedef enum {
    WF_FILTER_WORD, /* one of the words in `words`, separated by spaces */
    WF_FILTER_TEXT, /* 1 to 256 bytes of UTF-8 */
    WF_FILTER_UUID,
    WF_FILTER_TIME, /* a date or a time of RFC 3339; the statement gets microseconds */
    WF_FILTER_BOOL, /* "true" or "false" */
    /* Not of the query string: */
    WF_FILTER_PATH,    /* the id in the path that the list is below */
    WF_FILTER_ACCOUNTS /* the accounts that the caller's key is for, as uuid[]; NULL: all */
} wf_filter_kind_t;

typedef struct {
    const char *name; /* of the query parameter; the first one is $5 of the statements */
    wf_filter_kind_t kind;
    const char *words;
} wf_filter_t;

typedef struct {
    const char *name;    /* as the query says it: "-created_at" */
    int statement;       /* a wf_sql_id_t */
    int is_text;         /* its keys are texts, not times */
} wf_sort_t;

/* What a list is: a constant beside its statements. */
typedef struct {
    const wf_sort_t *sorts; /* the first one is the default; ends with a NULL name */
    const wf_filter_t *filters; /* ends with a NULL name; NULL: none */
    int platform; /* 1: runs as wflows_platform where the company is NULL */
} wf_list_t;

/* How one record is read: a constant too. */
typedef struct {
    int statement;    /* a wf_sql_id_t: company, id, accounts */
    const char *what; /* it is, in a word */
} wf_record_t;

/* What a caller asks for, as it came; NULL: not said. */
typedef struct {
    const char *limit, *cursor, *sort;
    const char *filters[WF_LIST_FILTERS_MAX]; /* in the list's order */
} wf_list_query_t;

/* {"data": [...], "next_cursor": "..." or null} as text. `company_id`: NULL for the platform's view.
 * WF_EINVALID: faults "?limit", "?cursor", "?sort", "?<filter>". */
wf_status_t wf_list_page(wf_ctx_t *ctx, const char **text, size_t *len, const wf_store_t *store,
                         const char *company_id, const wf_list_t *list,
                         const wf_list_query_t *query) WF_MUST_CHECK;

/* Only whether the query is right, as wf_list_page does. */
wf_status_t wf_list_check(wf_ctx_t *ctx, const wf_list_t *list,
                          const wf_list_query_t *query) WF_MUST_CHECK;

/* What a query asks for, as an object for an audit row: its filters by name and the sort; what was not said is absent. */
wf_json_t *wf_list_asked(apr_pool_t *pool, const wf_list_t *list, const wf_list_query_t *query);

/* Every row, page by page, each page in its own short transaction: memory does not grow with the list. `row`
 * gets the record's JSON text; what it answers other than WF_OK ends the walk. limit and cursor are not used. */
typedef wf_status_t wf_list_row_fn(wf_ctx_t *ctx, const char *doc, size_t len, void *baton);
wf_status_t wf_list_each(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                         const wf_list_t *list, const wf_list_query_t *query, wf_list_row_fn *row,
                         void *baton) WF_MUST_CHECK;

/* One record, with all its members. `accounts`: those that the caller's key is for, as uuid[] (NULL: all); WF_ENOTFOUND
 * also where it is of none of them. */
wf_status_t wf_record_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                           const char *company_id, const wf_record_t *record, const char *id,
                           const char *accounts) WF_MUST_CHECK;

/* ---- the lists ---------------------------------------------------------------------------------- */

extern const wf_list_t wf_list_approvals; /* wf_approval_store.c */
extern const wf_list_t wf_list_audit;     /* wf_audit_store.c */
extern const wf_list_t wf_list_companies; /* wf_company_store.c */
extern const wf_list_t wf_list_accounts;  /* wf_account_store.c */
/* wf_traffic_list.c; those of a flow (…_flow_…) are below its path */
extern const wf_list_t wf_list_flows, wf_list_flow_versions, wf_list_flow_sessions,
    wf_list_flow_responses, wf_list_sessions, wf_list_responses, wf_list_events, wf_list_deliveries,
    wf_list_media;
extern const wf_record_t wf_record_flow, wf_record_session, wf_record_response, wf_record_event,
    wf_record_delivery, wf_record_media;

#endif

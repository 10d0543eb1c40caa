/* Flow JSON as data: versions, actions, components, properties
 * (WHATSAPP.md 2.1-2.3, 2.7, 2.8, 3.1). A new version of Flow JSON is a row here, and a function
 * only where it brings a rule of a new kind. */
#include "flow/wf_flow_check_props.h"

#include <string.h>

/* ---- versions ---- */

/* Oldest first. Frozen: can be sent, not published. Expired: can be neither. */
static const wf_flow_version_t versions[] = {
    {"2.1", V(2, 1), WF_VERSION_FROZEN},    {"3.0", V(3, 0), WF_VERSION_FROZEN},
    {"3.1", V(3, 1), WF_VERSION_FROZEN},    {"4.0", V(4, 0), WF_VERSION_FROZEN},
    {"5.0", V(5, 0), WF_VERSION_FROZEN},    {"5.1", V(5, 1), WF_VERSION_AVAILABLE},
    {"6.0", V(6, 0), WF_VERSION_AVAILABLE}, {"6.1", V(6, 1), WF_VERSION_AVAILABLE},
    {"6.2", V(6, 2), WF_VERSION_AVAILABLE}, {"6.3", V(6, 3), WF_VERSION_AVAILABLE},
    {"7.0", V(7, 0), WF_VERSION_AVAILABLE}, {"7.1", V(7, 1), WF_VERSION_AVAILABLE},
    {"7.2", V(7, 2), WF_VERSION_AVAILABLE}, {"7.3", V(7, 3), WF_VERSION_AVAILABLE},
};

static const char *const data_api_versions[] = {"3.0", "4.0", NULL};

const wf_flow_version_t *wf_flow_version_find(const char *text)
{
    size_t i;

    for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        if (strcmp(versions[i].text, text) == 0) {
            return &versions[i];
        }
    }
    return NULL;
}

const wf_flow_version_t *wf_flow_version_newest(void)
{
    return &versions[sizeof(versions) / sizeof(versions[0]) - 1];
}

/* ---- what a value may be ---- */

static const char *const layouts[] = {"SingleColumnLayout", NULL};
static const char *const next_types[] = {"screen", NULL};

static const char *const mime_types[] = {
    "application/gzip",
    "application/msword",
    "application/pdf",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/x-7z-compressed",
    "application/zip",
    "image/avif",
    "image/gif",
    "image/heic",
    "image/heif",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/webp",
    "text/plain",
    "video/mp4",
    "video/mpeg",
    NULL,
};

static int is_one_of(const char *const *list, const char *text)
{
    for (; *list; list++) {
        if (strcmp(*list, text) == 0) {
            return 1;
        }
    }
    return 0;
}

int wf_mime_type_is(const char *text)
{
    return is_one_of(mime_types, text);
}

int wf_data_api_version_is(const char *text)
{
    return is_one_of(data_api_versions, text);
}

/* ---- document and screen ---- */

/* version, data_api_version and routing_model have rules of their own, which the table repeats only
 * as far as names go. */
const wf_prop_t wf_props_document[] = {
    {.name = "version", .types = WF_T_ANY},
    {.name = "data_api_version", .types = WF_T_ANY},
    {.name = "routing_model", .types = WF_T_OBJ},
    STATIC_TEXT("data_channel_uri", .until = V(3, 0), .check = wf_check_url),
    {.name = "screens", .types = WF_T_ARR, .required = 1, .check = wf_check_screens},
    LAST,
};

const wf_prop_t wf_props_screen[] = {
    STATIC_TEXT("id", .required = 1, .flags = WF_P_NOT_EMPTY, .check = wf_check_screen_id),
    TEXT("title", .required = 1, .flags = WF_P_SOFT_REQUIRED),
    {.name = "terminal", .types = WF_T_BOOL},
    {.name = "success", .types = WF_T_BOOL},
    {.name = "data", .types = WF_T_OBJ, .check = wf_check_data_model},
    {.name = "refresh_on_back", .types = WF_T_BOOL},
    {.name = "sensitive", .types = WF_T_ARR, .since = V(5, 1), .check = wf_check_sensitive},
    {.name = "layout", .types = WF_T_ANY, .required = 1, .check = wf_check_layout},
    LAST,
};

const wf_prop_t wf_props_layout[] = {
    {.name = "type", .types = WF_T_STR, .required = 1, .values = layouts},
    {.name = "children", .types = WF_T_ARR, .check = wf_check_children},
    LAST,
};

/* ---- actions ---- */

#define PAYLOAD                                                         \
    {                                                                   \
        .name = "payload", .types = WF_T_OBJ, .check = wf_check_payload \
    }

static const wf_prop_t props_navigate[] = {
    STATIC_TEXT("name"),
    {.name = "next", .types = WF_T_OBJ, .required = 1},
    PAYLOAD,
    LAST,
};
/* complete and data_exchange without a payload are accepted by every reader we know of. */
static const wf_prop_t props_payload_action[] = {STATIC_TEXT("name"), PAYLOAD, LAST};
static const wf_prop_t props_update_data[] = {
    STATIC_TEXT("name"),
    {.name = "payload", .types = WF_T_OBJ, .required = 1, .check = wf_check_payload},
    LAST,
};
static const wf_prop_t props_open_url[] = {
    STATIC_TEXT("name"),
    TEXT("url", .required = 1, .check = wf_check_url),
    LAST,
};

const wf_prop_t wf_props_next[] = {
    {.name = "type", .types = WF_T_STR, .required = 1, .values = next_types},
    TEXT("name", .required = 1),
    LAST,
};

static const wf_action_kind_t action_kinds[] = {
    {"navigate", WF_A_NAVIGATE, 0, props_navigate},
    {"data_exchange", WF_A_DATA_EXCHANGE, 0, props_payload_action},
    {"complete", WF_A_COMPLETE, 0, props_payload_action},
    {"update_data", WF_A_UPDATE_DATA, V(6, 0), props_update_data},
    {"open_url", WF_A_OPEN_URL, V(6, 0), props_open_url},
};
#define ACTION_KINDS (sizeof(action_kinds) / sizeof(action_kinds[0]))

const wf_action_kind_t *wf_action_kind_find(const char *name)
{
    size_t i;

    for (i = 0; i < ACTION_KINDS; i++) {
        if (strcmp(action_kinds[i].name, name) == 0) {
            return &action_kinds[i];
        }
    }
    return NULL;
}

const char *wf_action_names(apr_pool_t *pool, unsigned bits, int version)
{
    const char *text = "";
    size_t i;

    for (i = 0; i < ACTION_KINDS; i++) {
        if ((bits & action_kinds[i].bit) && action_kinds[i].since <= version) {
            text = apr_pstrcat(pool, text, *text ? ", " : "", action_kinds[i].name, NULL);
        }
    }
    return text;
}

/* ---- parts of components ---- */

const wf_prop_t wf_props_option[] = {
    TEXT("id", .required = 1),
    TEXT("title", .required = 1, .chars = 30),
    TEXT("description", .chars = 300),
    TEXT("metadata", .chars = 20),
    {.name = "enabled", .types = WF_T_BOOL, .refs = WF_T_BOOL},
    TEXT("image", .since = V(5, 0), .check = wf_check_image),
    TEXT("alt-text", .since = V(5, 0)),
    TEXT("color", .since = V(5, 0), .check = wf_check_color),
    ACTION("on-select-action", WF_A_UPDATE_DATA, .since = V(6, 0)),
    ON_UNSELECT(),
    LAST,
};

const wf_prop_t wf_props_list_item[] = {
    TEXT("id", .required = 1),
    {.name = "main-content", .types = WF_T_OBJ, .required = 1, .check = wf_check_item_main},
    {.name = "start", .types = WF_T_OBJ, .check = wf_check_item_start},
    {.name = "end", .types = WF_T_OBJ, .check = wf_check_item_end},
    TEXT("badge", .chars = 15),
    {.name = "tags", .types = WF_T_ARR, .check = wf_check_tags},
    ACTION("on-click-action", WF_A_NAVIGATE | WF_A_DATA_EXCHANGE),
    LAST,
};
const wf_prop_t wf_props_item_main[] = {
    TEXT("title", .required = 1, .chars = 30),
    TEXT("description", .chars = 20),
    TEXT("metadata", .chars = 80),
    LAST,
};
const wf_prop_t wf_props_item_start[] = {
    TEXT("image", .required = 1, .check = wf_check_image),
    TEXT("alt-text"),
    LAST,
};
const wf_prop_t wf_props_item_end[] = {
    TEXT("title", .chars = 10),
    TEXT("description", .chars = 10),
    TEXT("metadata", .chars = 10),
    LAST,
};
const wf_prop_t wf_props_carousel_image[] = {
    TEXT("src", .required = 1, .check = wf_check_image),
    TEXT("alt-text", .required = 1),
    LAST,
};

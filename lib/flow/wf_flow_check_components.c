/* The components of Flow JSON as data: properties, limits, where they may stand (WHATSAPP.md 2.8
 * and 3.1). A new component is a table here and a row in `components`. */
#include "flow/wf_flow_check_props.h"

#include <string.h>

/* ---- what a value may be ---- */

static const char *const font_weights[] = {"bold", "italic", "bold_italic", "normal", NULL};
static const char *const input_types[] = {"text",     "number", "email", "password",
                                          "passcode", "phone",  NULL};
static const char *const variants[] = {"large", NULL};
static const char *const media_sizes[] = {"regular", "large", NULL};
static const char *const scale_types[] = {"cover", "contain", NULL};
static const char *const carousel_ratios[] = {"4:3", "16:9", NULL};
static const char *const calendar_modes[] = {"single", "range", NULL};
static const char *const photo_sources[] = {"camera_gallery", "camera", "gallery", NULL};

/* ---- text ---- */

#define SHOWN(limit, ...) TEXT("text", .required = 1, .flags = WF_P_NOT_BLANK, .chars = limit)
#define SHOWN_LIST(limit, since_list, more_flags)                                                 \
    {                                                                                             \
        .name = "text", .types = WF_T_STR | WF_T_ARR, .refs = WF_T_STR | WF_T_ARR, .required = 1, \
        .flags = WF_P_NOT_BLANK | WF_P_TEXT_LIST | more_flags, .chars = limit,                    \
        .check = wf_check_string_items                                                            \
    }

static const wf_prop_t props_heading[] = {TYPE, SHOWN(80), VISIBLE, LAST};
static const wf_prop_t props_body[] = {
    TYPE,
    SHOWN_LIST(4096, V(5, 1), 0),
    TEXT("font-weight", .values = font_weights),
    FLAG("strikethrough"),
    {.name = "markdown", .types = WF_T_BOOL, .since = V(5, 1)},
    VISIBLE,
    LAST,
};
static const wf_prop_t props_rich_text[] = {TYPE, SHOWN_LIST(0, 0, WF_P_RICH), VISIBLE, LAST};

/* ---- text entry ---- */

#define INIT(kinds, ...)                                                       \
    {                                                                          \
        .name = "init-value", .types = kinds, .refs = kinds, .since = V(4, 0), \
        .flags = WF_P_OUTSIDE_FORM, __VA_ARGS__                                \
    }
#define ERROR_MESSAGE(limit) \
    TEXT("error-message", .since = V(4, 0), .flags = WF_P_OUTSIDE_FORM, .chars = limit)
#define HELPER TEXT("helper-text", .chars = 80)
#define VARIANT TEXT("label-variant", .since = V(7, 0), .values = variants)

static const wf_prop_t props_text_input[] = {
    TYPE,
    NAME,
    TEXT("label", .required = 1, .chars = 20),
    TEXT("input-type", .values = input_types),
    STATIC_TEXT("pattern", .since = V(6, 2)),
    REQUIRED,
    NUMBER("min-chars"),
    NUMBER("max-chars"),
    HELPER,
    VARIANT,
    INIT(WF_T_STR | WF_T_NUM),
    ERROR_MESSAGE(30),
    ENABLED,
    VISIBLE,
    LAST,
};
static const wf_prop_t props_text_area[] = {
    TYPE,
    NAME,
    TEXT("label", .required = 1, .chars = 20),
    REQUIRED,
    NUMBER("max-length"),
    HELPER,
    VARIANT,
    INIT(WF_T_STR),
    ERROR_MESSAGE(30),
    ENABLED,
    VISIBLE,
    LAST,
};

/* ---- choice ---- */

/* Before 4.0 the label may be missing; real 7.x flows without one exist, so it only warns. */
#define GROUP_LABEL TEXT("label", .required = V(4, 0), .flags = WF_P_SOFT_REQUIRED, .chars = 30)
#define DESCRIPTION(since_version) TEXT("description", .chars = 300, .since = since_version)
#define DATA_SOURCE LIST("data-source", .required = 1, .check = wf_check_options)
#define MEDIA_SIZE(since_version) TEXT("media-size", .since = since_version, .values = media_sizes)

static const wf_prop_t props_checkbox_group[] = {
    TYPE,
    NAME,
    GROUP_LABEL,
    DATA_SOURCE,
    DESCRIPTION(V(4, 0)),
    NUMBER("min-selected-items"),
    NUMBER("max-selected-items"),
    REQUIRED,
    ENABLED,
    INIT(WF_T_ARR),
    ERROR_MESSAGE(80),
    MEDIA_SIZE(V(5, 0)),
    ON_SELECT(),
    ON_UNSELECT(),
    VISIBLE,
    LAST,
};
static const wf_prop_t props_radio_group[] = {
    TYPE,
    NAME,
    GROUP_LABEL,
    DATA_SOURCE,
    DESCRIPTION(V(4, 0)),
    REQUIRED,
    ENABLED,
    INIT(WF_T_STR | WF_T_ARR, .check = wf_check_one_choice),
    ERROR_MESSAGE(80),
    MEDIA_SIZE(V(5, 0)),
    ON_SELECT(),
    ON_UNSELECT(),
    VISIBLE,
    LAST,
};
static const wf_prop_t props_dropdown[] = {
    TYPE,
    NAME,
    TEXT("label", .required = 1, .chars = 20, .chars_more = 30),
    DATA_SOURCE,
    REQUIRED,
    ENABLED,
    INIT(WF_T_STR | WF_T_ARR, .check = wf_check_one_choice),
    ERROR_MESSAGE(80),
    ON_SELECT(),
    ON_UNSELECT(),
    VISIBLE,
    LAST,
};
static const wf_prop_t props_chips[] = {
    TYPE,
    NAME,
    TEXT("label", .required = 1, .chars = 80),
    DATA_SOURCE,
    DESCRIPTION(0),
    NUMBER("min-selected-items"),
    NUMBER("max-selected-items"),
    REQUIRED,
    ENABLED,
    INIT(WF_T_ARR),
    ERROR_MESSAGE(80),
    ON_SELECT(.since = V(7, 1)),
    ACTION("on-unselect-action", WF_A_UPDATE_DATA, .since = V(7, 1)),
    VISIBLE,
    LAST,
};

/* ---- dates ---- */

#define DATE(n) TEXT(n, .check = wf_check_date)
/* In CalendarPicker's range mode these may be {"start-date": ..., "end-date": ...}. */
#define RANGE(n, kinds, ...)                                                            \
    {                                                                                   \
        .name = n, .types = (kinds) | WF_T_OBJ, .refs = (kinds) | WF_T_OBJ, __VA_ARGS__ \
    }

static const wf_prop_t props_date_picker[] = {
    TYPE,
    NAME,
    TEXT("label", .required = 1, .chars = 40),
    DATE("min-date"),
    DATE("max-date"),
    LIST("unavailable-dates", .check = wf_check_dates),
    HELPER,
    ENABLED,
    REQUIRED,
    ACTION("on-select-action", WF_A_DATA_EXCHANGE),
    INIT(WF_T_STR, .check = wf_check_date_init),
    ERROR_MESSAGE(80),
    VISIBLE,
    LAST,
};
static const wf_prop_t props_calendar[] = {
    TYPE,
    NAME,
    RANGE("label", WF_T_STR, .required = 1, .flags = WF_P_RANGE_OBJECT, .chars = 40),
    TEXT("mode", .values = calendar_modes),
    TEXT("title", .chars = 80),
    TEXT("description", .chars = 300),
    RANGE("helper-text", WF_T_STR, .flags = WF_P_RANGE_OBJECT, .chars = 80),
    RANGE("required", WF_T_BOOL, .flags = WF_P_RANGE_OBJECT),
    ENABLED,
    DATE("min-date"),
    DATE("max-date"),
    LIST("unavailable-dates", .check = wf_check_dates),
    LIST("include-days", .check = wf_check_days_of_week),
    NUMBER("min-days"),
    NUMBER("max-days"),
    ACTION("on-select-action", WF_A_DATA_EXCHANGE),
    RANGE("init-value", WF_T_STR, .flags = WF_P_OUTSIDE_FORM, .check = wf_check_date_init),
    RANGE("error-message", WF_T_STR, .flags = WF_P_OUTSIDE_FORM | WF_P_RANGE_OBJECT, .chars = 80),
    VISIBLE,
    LAST,
};

/* ---- display and navigation ---- */

#define CLICK (WF_A_NAVIGATE | WF_A_DATA_EXCHANGE)

static const wf_prop_t props_footer[] = {
    TYPE,
    TEXT("label", .required = 1, .chars = 35, .flags = WF_P_HARD_LENGTH),
    ACTION("on-click-action", CLICK | WF_A_COMPLETE, .required = 1),
    TEXT("left-caption", .chars = 15),
    TEXT("center-caption", .chars = 15),
    TEXT("right-caption", .chars = 15),
    ENABLED,
    LAST,
};
static const wf_prop_t props_opt_in[] = {
    TYPE,
    NAME,
    TEXT("label", .required = 1, .chars = 30, .chars_more = 120),
    REQUIRED,
    ACTION("on-click-action", CLICK | WF_A_OPEN_URL),
    ACTION("on-select-action", WF_A_UPDATE_DATA, .since = V(6, 0)),
    ON_UNSELECT(),
    INIT(WF_T_BOOL),
    VISIBLE,
    LAST,
};
static const wf_prop_t props_embedded_link[] = {
    TYPE,
    TEXT("text", .required = 1, .flags = WF_P_NOT_BLANK, .chars = 25, .chars_more = 35),
    ACTION("on-click-action", CLICK | WF_A_OPEN_URL, .required = 1),
    VISIBLE,
    LAST,
};
static const wf_prop_t props_image[] = {
    TYPE,
    TEXT("src", .required = 1, .check = wf_check_image),
    NUMBER("width"),
    NUMBER("height"),
    TEXT("scale-type", .values = scale_types),
    NUMBER("aspect-ratio"),
    TEXT("alt-text"),
    VISIBLE,
    LAST,
};
static const wf_prop_t props_carousel[] = {
    TYPE,
    LIST("images", .required = 1, .check = wf_check_carousel),
    TEXT("aspect-ratio", .values = carousel_ratios),
    TEXT("scale-type", .values = scale_types),
    VISIBLE,
    LAST,
};
static const wf_prop_t props_navigation_list[] = {
    TYPE,
    NAME,
    LIST("list-items", .required = 1, .check = wf_check_list_items),
    TEXT("label", .chars = 80),
    TEXT("description", .chars = 300),
    TEXT("media-size", .values = media_sizes),
    ACTION("on-click-action", CLICK),
    LAST,
};

/* ---- media ---- */

#define PICKER_LABEL TEXT("label", .required = 1, .chars = 30, .chars_more = 80)
#define PICKER_ERROR                                                            \
    {                                                                           \
        .name = "error-message", .types = WF_T_STR, .refs = WF_T_STR | WF_T_OBJ \
    }
#define PICKER_REQUIRED FLAG("required", .flags = WF_P_UNDOCUMENTED)
#define FILE_SIZE NUMBER("max-file-size-kb", .min = 1, .max = 25600)

static const wf_prop_t props_photo_picker[] = {
    TYPE,
    NAME,
    PICKER_LABEL,
    DESCRIPTION(0),
    TEXT("photo-source", .values = photo_sources),
    FILE_SIZE,
    NUMBER("min-uploaded-photos", .min = 0, .max = 30),
    NUMBER("max-uploaded-photos", .min = 1, .max = 30),
    PICKER_REQUIRED,
    ENABLED,
    VISIBLE,
    PICKER_ERROR,
    LAST,
};
static const wf_prop_t props_document_picker[] = {
    TYPE,
    NAME,
    PICKER_LABEL,
    DESCRIPTION(0),
    LIST("allowed-mime-types", .check = wf_check_mime_types),
    FILE_SIZE,
    NUMBER("min-uploaded-documents", .min = 0, .max = 30),
    NUMBER("max-uploaded-documents", .min = 1, .max = 30),
    PICKER_REQUIRED,
    ENABLED,
    VISIBLE,
    PICKER_ERROR,
    LAST,
};

/* ---- structure ---- */

#define CHILDREN(n, ...)                                                      \
    {                                                                         \
        .name = n, .types = WF_T_ARR, .check = wf_check_children, __VA_ARGS__ \
    }

static const wf_prop_t props_form[] = {
    TYPE,
    NAME,
    CHILDREN("children", .required = 1),
    {.name = "init-values",
     .types = WF_T_OBJ,
     .refs = WF_T_OBJ,
     .flags = WF_P_PREFILL,
     .check = wf_check_init_values},
    {.name = "error-messages",
     .types = WF_T_OBJ,
     .refs = WF_T_OBJ,
     .flags = WF_P_PREFILL,
     .check = wf_check_error_messages},
    LAST,
};
static const wf_prop_t props_if[] = {
    TYPE,
    /* not `refs`: an expression of its own kind, which wf_check_condition reads */
    {.name = "condition", .types = WF_T_STR, .required = 1, .check = wf_check_condition},
    CHILDREN("then", .required = 1),
    CHILDREN("else"),
    LAST,
};
static const wf_prop_t props_switch[] = {
    TYPE,
    {.name = "value", .refs = WF_T_STR | WF_T_NUM | WF_T_BOOL, .required = 1},
    {.name = "cases", .types = WF_T_OBJ, .required = 1, .check = wf_check_cases},
    LAST,
};

#define BRANCH (WF_C_IN_IF | WF_C_IN_SWITCH)
#define INPUT WF_C_INPUT
#define NONE WF_COUNT_NONE

static const wf_component_t components[] = {
    {"TextHeading", BRANCH | WF_C_TEXT, 0, NONE, 0, props_heading},
    {"TextSubheading", BRANCH | WF_C_TEXT, 0, NONE, 0, props_heading},
    {"TextBody", BRANCH | WF_C_TEXT, 0, NONE, 0, props_body},
    {"TextCaption", BRANCH | WF_C_TEXT, 0, NONE, 0, props_body},
    {"RichText", 0, V(5, 1), WF_COUNT_RICH_TEXT, 0, props_rich_text},
    {"TextInput", BRANCH | INPUT, 0, NONE, WF_T_STR, props_text_input},
    {"TextArea", BRANCH | INPUT, 0, NONE, WF_T_STR, props_text_area},
    {"CheckboxGroup", BRANCH | INPUT, 0, NONE, WF_T_ARR, props_checkbox_group},
    {"RadioButtonsGroup", BRANCH | INPUT, 0, NONE, WF_T_STR, props_radio_group},
    {"Dropdown", BRANCH | INPUT, 0, NONE, WF_T_STR, props_dropdown},
    {"ChipsSelector", WF_C_IN_BRANCH_71 | INPUT, V(6, 3), NONE, WF_T_ARR, props_chips},
    {"DatePicker", BRANCH | INPUT, 0, NONE, WF_T_STR, props_date_picker},
    {"CalendarPicker", INPUT | WF_C_FREE, V(6, 1), NONE, WF_T_STR | WF_T_OBJ, props_calendar},
    {"Footer", BRANCH, 0, WF_COUNT_FOOTER, 0, props_footer},
    {"OptIn", BRANCH | INPUT, 0, WF_COUNT_OPT_IN, WF_T_BOOL, props_opt_in},
    {"EmbeddedLink", BRANCH, 0, WF_COUNT_EMBEDDED_LINK, 0, props_embedded_link},
    {"Image", BRANCH, 0, WF_COUNT_IMAGE, 0, props_image},
    {"ImageCarousel", 0, V(7, 1), WF_COUNT_IMAGE_CAROUSEL, 0, props_carousel},
    {"NavigationList", WF_C_NAMED, V(6, 2), WF_COUNT_NAVIGATION_LIST, WF_T_STR,
     props_navigation_list},
    {"PhotoPicker", INPUT | WF_C_PICKER | WF_C_FREE, V(4, 0), WF_COUNT_PHOTO_PICKER, WF_T_ARR,
     props_photo_picker},
    {"DocumentPicker", INPUT | WF_C_PICKER | WF_C_FREE, V(4, 0), WF_COUNT_DOCUMENT_PICKER, WF_T_ARR,
     props_document_picker},
    {"Form", 0, 0, NONE, 0, props_form},
    {"If", BRANCH & ~(unsigned)WF_C_IN_SWITCH, V(4, 0), NONE, 0, props_if},
    {"Switch", BRANCH & ~(unsigned)WF_C_IN_SWITCH, V(4, 0), NONE, 0, props_switch},
};

const wf_component_t *wf_component_find(const char *type)
{
    size_t i;

    for (i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
        if (strcmp(components[i].type, type) == 0) {
            return &components[i];
        }
    }
    return NULL;
}

/* One RichText: placement says more about it. Pickers: one of each kind; both kinds together only
 * warn (wf_flow_check_structure.c). */
static const wf_count_limit_t count_limits[WF_COUNTED] = {
    [WF_COUNT_FOOTER] = {"Footer", 1, WFC_MAX_FOOTER_PER_SCREEN},
    [WF_COUNT_EMBEDDED_LINK] = {"EmbeddedLink", 2, WFC_MAX_EMBEDDED_LINK_PER_SCREEN},
    [WF_COUNT_IMAGE] = {"Image", 3, WFC_MAX_IMAGE_PER_SCREEN},
    [WF_COUNT_OPT_IN] = {"OptIn", 5, WFC_MAX_OPT_IN_PER_SCREEN},
    [WF_COUNT_NAVIGATION_LIST] = {"NavigationList", 2, WFC_COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN},
    [WF_COUNT_IMAGE_CAROUSEL] = {"ImageCarousel", 2, WFC_COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN},
    [WF_COUNT_PHOTO_PICKER] = {"PhotoPicker", 1, WFC_COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN},
    [WF_COUNT_DOCUMENT_PICKER] = {"DocumentPicker", 1, WFC_COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN},
    [WF_COUNT_RICH_TEXT] = {"RichText", 1, WFC_COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN},
};

const wf_count_limit_t *wf_count_limit(wf_counted_t counted)
{
    return &count_limits[counted];
}

// In C because of #embed: SwiftPM's own way of putting a file into the program, an array literal in
// Swift, takes the compiler half a minute for a file of a hundred kilobytes.
#include "CNTMResources.h"

// clang has #embed in every language mode, and warns in those before C23.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const struct ntm_resource resources[] = {
  {"openapi.yaml", (const char[]){
#embed "../../openapi.yaml" suffix(, 0)
  }},
  {"openapi.json", (const char[]){
#embed "openapi.json" suffix(, 0)
  }},
  {"inspector/api.js", (const char[]){
#embed "../NTMServer/Resources/api.js" suffix(, 0)
  }},
  {"inspector/axes.js", (const char[]){
#embed "../NTMServer/Resources/axes.js" suffix(, 0)
  }},
  {"inspector/back-off.js", (const char[]){
#embed "../NTMServer/Resources/back-off.js" suffix(, 0)
  }},
  {"inspector/cells.js", (const char[]){
#embed "../NTMServer/Resources/cells.js" suffix(, 0)
  }},
  {"inspector/colors.js", (const char[]){
#embed "../NTMServer/Resources/colors.js" suffix(, 0)
  }},
  {"inspector/csv.js", (const char[]){
#embed "../NTMServer/Resources/csv.js" suffix(, 0)
  }},
  {"inspector/curl.js", (const char[]){
#embed "../NTMServer/Resources/curl.js" suffix(, 0)
  }},
  {"inspector/decimals.js", (const char[]){
#embed "../NTMServer/Resources/decimals.js" suffix(, 0)
  }},
  {"inspector/drive.js", (const char[]){
#embed "../NTMServer/Resources/drive.js" suffix(, 0)
  }},
  {"inspector/elements.js", (const char[]){
#embed "../NTMServer/Resources/elements.js" suffix(, 0)
  }},
  {"inspector/episode.js", (const char[]){
#embed "../NTMServer/Resources/episode.js" suffix(, 0)
  }},
  {"inspector/events.js", (const char[]){
#embed "../NTMServer/Resources/events.js" suffix(, 0)
  }},
  {"inspector/export.js", (const char[]){
#embed "../NTMServer/Resources/export.js" suffix(, 0)
  }},
  {"inspector/guide.js", (const char[]){
#embed "../NTMServer/Resources/guide.js" suffix(, 0)
  }},
  {"inspector/head-panels.js", (const char[]){
#embed "../NTMServer/Resources/head-panels.js" suffix(, 0)
  }},
  {"inspector/heads.js", (const char[]){
#embed "../NTMServer/Resources/heads.js" suffix(, 0)
  }},
  {"inspector/heat-panel.js", (const char[]){
#embed "../NTMServer/Resources/heat-panel.js" suffix(, 0)
  }},
  {"inspector/heights.js", (const char[]){
#embed "../NTMServer/Resources/heights.js" suffix(, 0)
  }},
  {"inspector/icon.svg", (const char[]){
#embed "../NTMServer/Resources/icon.svg" suffix(, 0)
  }},
  {"inspector/index.html", (const char[]){
#embed "../NTMServer/Resources/index.html" suffix(, 0)
  }},
  {"inspector/inputs.js", (const char[]){
#embed "../NTMServer/Resources/inputs.js" suffix(, 0)
  }},
  {"inspector/labels.js", (const char[]){
#embed "../NTMServer/Resources/labels.js" suffix(, 0)
  }},
  {"inspector/legend.js", (const char[]){
#embed "../NTMServer/Resources/legend.js" suffix(, 0)
  }},
  {"inspector/limit.js", (const char[]){
#embed "../NTMServer/Resources/limit.js" suffix(, 0)
  }},
  {"inspector/line-panel.js", (const char[]){
#embed "../NTMServer/Resources/line-panel.js" suffix(, 0)
  }},
  {"inspector/lists.js", (const char[]){
#embed "../NTMServer/Resources/lists.js" suffix(, 0)
  }},
  {"inspector/live-session.js", (const char[]){
#embed "../NTMServer/Resources/live-session.js" suffix(, 0)
  }},
  {"inspector/locations.js", (const char[]){
#embed "../NTMServer/Resources/locations.js" suffix(, 0)
  }},
  {"inspector/main.js", (const char[]){
#embed "../NTMServer/Resources/main.js" suffix(, 0)
  }},
  {"inspector/matrix-panel.js", (const char[]){
#embed "../NTMServer/Resources/matrix-panel.js" suffix(, 0)
  }},
  {"inspector/memory-panels.js", (const char[]){
#embed "../NTMServer/Resources/memory-panels.js" suffix(, 0)
  }},
  {"inspector/messages.js", (const char[]){
#embed "../NTMServer/Resources/messages.js" suffix(, 0)
  }},
  {"inspector/numbers.js", (const char[]){
#embed "../NTMServer/Resources/numbers.js" suffix(, 0)
  }},
  {"inspector/own-inputs.js", (const char[]){
#embed "../NTMServer/Resources/own-inputs.js" suffix(, 0)
  }},
  {"inspector/panel-maker.js", (const char[]){
#embed "../NTMServer/Resources/panel-maker.js" suffix(, 0)
  }},
  {"inspector/panel.js", (const char[]){
#embed "../NTMServer/Resources/panel.js" suffix(, 0)
  }},
  {"inspector/panels.js", (const char[]){
#embed "../NTMServer/Resources/panels.js" suffix(, 0)
  }},
  {"inspector/player.js", (const char[]){
#embed "../NTMServer/Resources/player.js" suffix(, 0)
  }},
  {"inspector/random.js", (const char[]){
#embed "../NTMServer/Resources/random.js" suffix(, 0)
  }},
  {"inspector/raster.js", (const char[]){
#embed "../NTMServer/Resources/raster.js" suffix(, 0)
  }},
  {"inspector/recording.js", (const char[]){
#embed "../NTMServer/Resources/recording.js" suffix(, 0)
  }},
  {"inspector/scrub.js", (const char[]){
#embed "../NTMServer/Resources/scrub.js" suffix(, 0)
  }},
  {"inspector/sequence-panels.js", (const char[]){
#embed "../NTMServer/Resources/sequence-panels.js" suffix(, 0)
  }},
  {"inspector/series.js", (const char[]){
#embed "../NTMServer/Resources/series.js" suffix(, 0)
  }},
  {"inspector/settings.js", (const char[]){
#embed "../NTMServer/Resources/settings.js" suffix(, 0)
  }},
  {"inspector/snapshots.js", (const char[]){
#embed "../NTMServer/Resources/snapshots.js" suffix(, 0)
  }},
  {"inspector/stage.js", (const char[]){
#embed "../NTMServer/Resources/stage.js" suffix(, 0)
  }},
  {"inspector/style.css", (const char[]){
#embed "../NTMServer/Resources/style.css" suffix(, 0)
  }},
  {"inspector/take-away.js", (const char[]){
#embed "../NTMServer/Resources/take-away.js" suffix(, 0)
  }},
  {"inspector/task-associative-recall.js", (const char[]){
#embed "../NTMServer/Resources/task-associative-recall.js" suffix(, 0)
  }},
  {"inspector/task-copy.js", (const char[]){
#embed "../NTMServer/Resources/task-copy.js" suffix(, 0)
  }},
  {"inspector/task-ngrams.js", (const char[]){
#embed "../NTMServer/Resources/task-ngrams.js" suffix(, 0)
  }},
  {"inspector/task-priority-sort.js", (const char[]){
#embed "../NTMServer/Resources/task-priority-sort.js" suffix(, 0)
  }},
  {"inspector/task-repeat-copy.js", (const char[]){
#embed "../NTMServer/Resources/task-repeat-copy.js" suffix(, 0)
  }},
  {"inspector/tasks.js", (const char[]){
#embed "../NTMServer/Resources/tasks.js" suffix(, 0)
  }},
  {"inspector/timeline.js", (const char[]){
#embed "../NTMServer/Resources/timeline.js" suffix(, 0)
  }},
  {"inspector/what-if.js", (const char[]){
#embed "../NTMServer/Resources/what-if.js" suffix(, 0)
  }},
};

const struct ntm_resource *ntm_resources(size_t *count) {
  *count = sizeof resources / sizeof *resources;
  return resources;
}

import NTMModel

/// `GET /metrics`: what Prometheus collects.
struct MetricsRoute: Sendable {
  let pool: ModelPool
  let sessions: SessionTable
  let http: HTTPMetrics
  let log: LogQueue?

  static let path = "/metrics"

  var routes: [Router.Route] {
    // Reading /proc takes some hundred microseconds.
    [Router.Route("GET", Self.path) { _ in .offload { response } }]
  }

  private var response: HTTPResponse {
    var text = MetricsText()
    StepMetrics.write(pool.stepMetrics, to: &text)
    http.write(to: &text)
    sessions.metrics.write(to: &text)
    sessions.journal.writeMetrics(resident: sessions.inMemoryCount, to: &text)
    writeModels(to: &text)
    text.family("ntm_build_info", .gauge, "What is running; the value is 1.")
    text.sample("ntm_build_info", ["version": Release.version], value: 1)
    text.single(
      "ntm_log_lines_dropped_total", .counter,
      "Log lines that were dropped, because the log could not be written fast enough.",
      log.map { Double($0.droppedLines) })
    ProcessFigures.write(to: &text)
    return HTTPResponse(
      status: 200, contentType: MetricsText.mediaType, headers: [("Cache-Control", "no-store")],
      body: Array(text.text.utf8))
  }

  private func writeModels(to text: inout MetricsText) {
    let name = "ntm_model_info"
    text.family(name, .gauge, "Models that new sessions can have; the value is 1.")
    for model in pool.models {
      text.sample(
        name,
        ["model": model.name, "digest": model.version, "task": model.description.task ?? ""],
        value: 1)
    }
  }
}

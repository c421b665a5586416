import Logging

/// `GET /models`, `GET /models/{name}`, and where the operator allows it `POST /models/{name}/load`
/// and `/unload`.
struct ModelRoutes: Sendable {
  let pool: ModelPool
  let sessions: SessionTable
  /// Whether requests may load and unload models.
  let isAdminAllowed: Bool
  let logger: Logger

  var routes: [Router.Route] {
    [
      Router.Route("GET", "/models") { _ in
        if pool.current.models.count <= Self.fewModels { return .respond(list()) }
        return .onWorker { .respond(list()) }
      },
      Router.Route("GET", "/models/{name}") { context throws(Problem) in
        .respond(.json(try resource(context.parameter(0))))
      },
      Router.Route("POST", "/models/{name}/load", body: .whole, takesKey: true, load),
      Router.Route("POST", "/models/{name}/unload", body: .whole, takesKey: true, unload),
    ]
  }

  /// Models that are listed in less than about a millisecond.
  private static let fewModels = 8

  private func list() -> HTTPResponse {
    let (served, uses) = state()
    return .json(["models": served.models.map { ModelResource($0, served, uses) }])
  }

  /// What is served and what has sessions. In this order, a model that is put in place of another
  /// one meanwhile is never taken for the old one.
  private func state() -> (ServedModels, [SessionTable.ModelUse]) {
    let uses = sessions.modelUses
    return (pool.current, uses)
  }

  /// - Throws: `Problem` 404, which says where sessions go on with a model that is unloaded.
  private func resource(_ name: String) throws(Problem) -> ModelResource {
    let (served, uses) = state()
    guard let model = served[name] else {
      let count = uses.reduce(0) { $1.model.name == name ? $0 + $1.sessions : $0 }
      guard count > 0 else { throw served.noModel(name) }
      throw Problem(
        .noSuchModel,
        "model \"\(name)\" is unloaded; "
          + (count == 1 ? "a session goes on with it" : "\(count) sessions go on with it"),
        fields: ["models": .list(served.models.map(\.name)), "sessions": .number(count)])
    }
    return ModelResource(model, served, uses)
  }

  // MARK: Loading

  private func load(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let name = try changeable(context)
    let logger = logger.about(context.request)
    return .onWorker { () throws(Problem) in
      do throws(Problem) {
        let (model, change) = try pool.load(name)
        sessions.adopt([model])
        logger.note(model.name, change, pool)
        // Its own resource even where it is no longer served: it was, when it was loaded.
        let (served, uses) = state()
        return .respond(.json(ModelResource(model, served, uses)))
      } catch {
        if case .text(let reason) = error.fields["reason"] {
          logger.note(name, .refused(reason: reason), pool)
        }
        throw error
      }
    }
  }

  private func unload(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let name = try changeable(context)
    guard let model = pool.remove(name) else { throw pool.current.noModel(name) }
    logger.about(context.request).note(model.name, .unloaded, pool)
    let (served, uses) = state()
    return .respond(.json(UnloadedModel(model, served, uses)))
  }

  /// The name of the model that a request wants to change.
  ///
  /// - Throws: `Problem` 403 where no request may, and 400 where it says more than that it wants to.
  private func changeable(_ context: Router.Context) throws(Problem) -> String {
    guard isAdminAllowed else {
      throw Problem(
        .modelAdminOff,
        "models can be loaded and unloaded where the server was started with --allow-model-admin")
    }
    let body = context.request.body
    if !body.isEmpty, try JSONValue(body: body) != .object([:]) {
      throw Problem(.malformedRequest, "the body has something in it; none, or {}, is expected")
    }
    return try context.parameter(0)
  }
}

extension ModelPool {
  /// - Throws: `Problem` 404 that names those that there are.
  func model(_ name: String) throws(Problem) -> ServedModel {
    let served = current
    guard let model = served[name] else { throw served.noModel(name) }
    return model
  }

  /// What a session gets whose request names no model.
  ///
  /// - Throws: `Problem` 422 where there are several and none is the default.
  func standard() throws(Problem) -> ServedModel {
    let served = current
    guard let model = served.defaultModel else {
      let none =
        served.chosenName.map { "the default, \($0), is not loaded" } ?? "none is the default"
      throw Problem(
        .noDefaultModel, "the request names no model and \(none); there is \(served.names)",
        fields: ["models": .list(served.models.map(\.name))])
    }
    return model
  }
}

extension ServedModels {
  func noModel(_ name: String) -> Problem {
    Problem(
      .noSuchModel, "there is no model \"\(name)\"; there is \(names)",
      fields: ["models": .list(models.map(\.name))])
  }

  fileprivate var names: String {
    models.isEmpty ? "none at all" : models.map(\.name).joined(separator: ", ")
  }
}

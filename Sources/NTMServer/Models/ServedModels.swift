/// The models that are served at one moment.
public struct ServedModels: Sendable {
  /// In the order of their names.
  public let models: [ServedModel]
  /// What a session gets that names no model: the one chosen, or the only one.
  public let defaultModel: ServedModel?
  /// The name of the one chosen, whether it is there or not.
  let chosenName: String?
  private let byName: [String: ServedModel]

  /// - Throws: `ModelPoolError` where two have the same name.
  init(_ models: [ServedModel], chosenName: String?) throws(ModelPoolError) {
    let byName = Dictionary(models.map { ($0.name, $0) }) { first, _ in first }
    // Two ways to write a letter in Unicode are one name, though two files.
    guard byName.count == models.count else {
      throw ModelPoolError("two of the models have the same name")
    }
    self.init(byName, chosenName)
  }

  private init(_ byName: [String: ServedModel], _ chosenName: String?) {
    models = byName.values.sorted { $0.name < $1.name }
    self.byName = byName
    self.chosenName = chosenName
    defaultModel =
      if let chosenName { byName[chosenName] } else { models.count == 1 ? models.first : nil }
  }

  public subscript(name: String) -> ServedModel? { byName[name] }

  /// With another model of a name, or none.
  func replacing(_ name: String, by model: ServedModel?) -> ServedModels {
    var byName = byName
    // The key, too, is the new one's: it may be written in another way.
    byName[name] = nil
    if let model { byName[model.name] = model }
    return ServedModels(byName, chosenName)
  }
}

extension ServedModels: CustomStringConvertible {
  /// Their names, with a word behind that of the default; "no model" where there is none.
  public var description: String {
    models.isEmpty
      ? "no model"
      : models.map { $0 === defaultModel ? "\($0.name) (default)" : $0.name }
        .joined(separator: ", ")
  }
}

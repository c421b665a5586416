import NTMModel

extension Session {
  /// Makes the session's content of what the store has: takes the steps after its base again.
  ///
  /// - Throws: `Problem` 500 where that is no content of this session, 503 where the machine has no
  ///   memory for it.
  func restore(_ stored: StoredContent) throws(Problem) -> Content {
    let base = stored.base
    var content = Content(state: try state(of: base), step: base.step)
    content.lastReply = base.reply
    guard let last = stored.steps.last else { return content }
    let inputs = stored.steps.flatMap(\.inputs)
    let firstRepeatable = last.request.map { $0.firstStep - base.step - 1 } ?? inputs.count
    guard (0...inputs.count).contains(firstRepeatable) else {
      throw .damaged(id, "the steps of its last request are missing")
    }
    try model.withRoom { room throws(Problem) in
      for input in inputs[..<firstRepeatable] { try retake(input, &content, room) }
      content.lastReply = nil
      guard let mark = last.request else { return }
      guard let inputs = StepInputs(Array(inputs[firstRepeatable...]), isList: mark.isList) else {
        throw .damaged(id, "the steps of its last request are not those of one")
      }
      let request = StepRequest(inputs: inputs, fields: mark.fields, firstStep: mark.firstStep)
      var reply = try StepReply(request, mark.form, self, room)
      for input in request.inputs {
        try retake(input, &content, room)
        reply.add(content, room)
      }
      content.lastReply = RepeatableReply(mark.firstStep, request, mark.form, reply.response(room))
    }
    noteRestored(&content, from: base)
    return content
  }

  private func state(of base: StoredBase) throws(Problem) -> State {
    do {
      guard let bytes = base.state else {
        guard base.step == 0 else { throw StateFile.Damage("it is missing") }
        return try model.model.makeState()
      }
      let file = try StateFile(bytes)
      guard file.modelDigest == model.digest, file.step == base.step else {
        throw StateFile.Damage("it is another one's")
      }
      return try file.state(of: model.model)
    } catch let error as StateFile.Damage {
      throw .damaged(id, "its stored state is no state of its model: \(error)")
    } catch {
      throw .noMemory("this session: \(error)")
    }
  }

  private func retake(
    _ input: [Float], _ content: inout Content, _ room: StepRoom
  ) throws(Problem) {
    do throws(StepError) {
      try model.retake(input, &content, room)
    } catch {
      throw .damaged(id, "its step \(content.step + 1) can't be taken again: \(error)")
    }
  }

  /// Where the steps were not computed as they were the first time, the session says so from now on,
  /// and the store is given what came out.
  private func noteRestored(_ content: inout Content, from base: StoredBase) {
    content.stepsSinceBase = content.step - base.step
    guard base.arithmetic != Model.arithmetic else { return }
    if recomputedFrom == nil { noteRecomputed(from: base.step + 1) }
    content.stepsSinceBase = model.stepsPerBase
  }
}

//! Walks over a module's float parameters by path.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

struct Visitor<'a, F> {
    path: Vec<String>,
    visit: &'a mut F,
}

/// A function of each parameter, whatever its rank.
pub(crate) trait VisitParam {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>);
}

impl<F: VisitParam> ModuleVisitor for Visitor<'_, F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.visit.visit(&self.path.join("."), param.val());
    }
}

/// Visits every float parameter with its path.
pub(crate) fn visit_params<M: Module>(module: &M, visit: &mut impl VisitParam) {
    module.visit(&mut Visitor { path: Vec::new(), visit });
}

/// A change of each parameter's tensor, whatever its rank.
pub(crate) trait MapParam {
    fn map<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) -> Tensor<D>;
}

struct Mapper<'a, F> {
    path: Vec<String>,
    map: &'a mut F,
}

impl<F: MapParam> ModuleMapper for Mapper<'_, F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let tensor = self.map.map(&self.path.join("."), tensor);
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// Replaces every float parameter's tensor.
pub(crate) fn map_params<M: Module>(module: M, map: &mut impl MapParam) -> M {
    module.map(&mut Mapper { path: Vec::new(), map })
}

struct Trained<'a, F> {
    path: Vec<String>,
    visit: &'a mut F,
}

impl<F: VisitParam> ModuleVisitor for Trained<'_, F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // A copy that is put in training tells what its parameter is set to.
        if param.valid().train().is_require_grad() {
            self.visit.visit(&self.path.join("."), param.val());
        }
    }
}

/// Visits the float parameters that training changes, with their paths.
pub(crate) fn visit_trained<M: Module>(module: &M, visit: &mut impl VisitParam) {
    module.visit(&mut Trained { path: Vec::new(), visit });
}

struct Select<'a> {
    path: Vec<String>,
    trained: &'a dyn Fn(&str) -> bool,
}

impl ModuleMapper for Select<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trained = (self.trained)(&self.path.join("."));
        param.set_require_grad(trained)
    }
}

/// Leaves everything else as it is while the module is trained.
pub(crate) fn train_only<M: Module>(module: M, trained: &dyn Fn(&str) -> bool) -> M {
    module.map(&mut Select { path: Vec::new(), trained })
}
